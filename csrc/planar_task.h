// Several passes of the filter over the rows and columns of one task, while weights and scores are in a core's cache.
#pragma once

#include "planar_rows.h"
#include "planar_weights.h"

namespace crispseg::CRISPSEG_LEVEL {

constexpr int64_t kMostTogether = 16;  // passes of one walk

// How passes and columns are cut: rows of weights and scores of a task stay in a core's own cache.
template <typename T, typename Source>
struct PlanarCut {
  int64_t passes, tiles, tile;   // passes of one walk; tiles of columns, how wide
  int64_t channels, pad, pitch;  // channels of one walk; columns beside those of a ring; from plane to plane
  int64_t ring_rows, weight_rows, weight_elements;
  double time = 0;  // for an image, in channels of a pass

  PlanarCut(const Filter<T>& f, const typename Source::Given& given, int64_t most_passes, int64_t most_tiles)
      : passes(most_passes),
        tiles(most_tiles),
        tile(round_up(ceil_div(f.width, most_tiles), kLanes<T>)),
        channels(ceil_div(f.channels, ceil_div(f.channels, Source::kChannels))),
        pad(larger(round_up(f.reach_x * f.dilation, kLanes<T>), kLanes<T>)),
        ring_rows(2 * f.reach_y + 3),
        weight_rows((most_passes - 1) * (f.reach_y + 1) + 2) {
    constexpr int64_t kLine = 64 / sizeof(T);
    const int64_t span = smaller(f.width, tile + 2 * passes * f.reach_x * f.dilation);
    pitch = (pad + round_up(span, kLanes<T>) + pad + kLine) / kLine / 2 * 2 * kLine + kLine;
    weight_elements = Source::elements(f, given, weight_rows, pitch);
  }

  int64_t ring_elements() const { return Ring<T>::elements(ring_rows, channels, pitch); }
  int64_t scale_elements() const { return Ring<T>::elements(weight_rows, 1, pitch); }
  int64_t elements() const {
    return round_up(passes * ring_elements() + weight_elements + scale_elements() + 2 * channels * pitch, 64);
  }

  // The one that should take the least time: of more passes in a walk weights are read or made less often, and more is
  // computed again beside tiles and bands.
  static PlanarCut best(const Filter<T>& f, const typename Source::Given& given, int64_t passes) {
    constexpr int64_t kNarrowest = 64;
    PlanarCut best(f, given, 1, 1);
    best.time = best.time_of(f, given, passes);
    for (int64_t walks = passes; walks >= 1; --walks) {
      const int64_t together = ceil_div(passes, walks);
      if (together > kMostTogether) break;
      for (int64_t tiles = 1; tiles == 1 || f.width > (tiles - 1) * kNarrowest; ++tiles) {
        PlanarCut cut(f, given, together, tiles);
        cut.time = cut.time_of(f, given, passes);
        if (cut.time < best.time && cut.caches() <= kMostCaches) best = cut;
        if (cut.caches() <= 1) break;  // narrower ones only compute more again
      }
    }
    return best;
  }

 private:
  // A task may take more than a core's own cache: what does not fit is in the next one, which is a little slower.
  static constexpr double kMostCaches = 4, kSlower = 0.06;

  double caches() const { return static_cast<double>(elements() * sizeof(T)) / Source::cache_bytes(); }

  double time_of(const Filter<T>& f, const typename Source::Given& given, int64_t all_passes) const {
    const double beside = static_cast<double>((tiles - 1) * f.reach_x * f.dilation) / (tiles * tile);
    const double weights = (1 + 2 * passes * beside) * Source::time(f, given) * ceil_div(all_passes, passes);
    const double filtering = (1 + (passes - 1) * beside) * static_cast<double>(channels * all_passes);
    const double slower = 1 + kSlower * larger(caches() - 1, 0.0);
    return (weights + filtering) * slower * ceil_div(f.channels, Source::kChannels);
  }
};

// Filters the rows and columns of one task.
template <typename T, typename Source>
class PlanarTask {
 public:
  struct Maps {
    const typename Source::Given& weights;
    const Tensor &in, &out;
    int64_t image, in_image, out_image;
    T* sums;  // of the image's weights; null where they are known
    bool normalize;
  };

  // Rows of a class and columns that are this task's own, and its channels.
  struct Area {
    int64_t residue, class_rows;
    Range rows, columns, channels;
  };

  PlanarTask(const Filter<T>& f, const PlanarCut<T, Source>& cut, int64_t passes, const Maps& maps, const Area& area,
             T* memory, const T** pointers)
      : f_(f),
        cut_(cut),
        passes_(passes),
        maps_(maps),
        area_(area),
        channels_(area.channels.end - area.channels.first),
        read_(columns_of(-1)),
        memory_(memory),
        lines_(pointers),
        neighbours_(pointers + lines(f)),
        weight_area_{maps.image, area.residue, area.class_rows, rows_of(0), columns_of(0), read_, cut.pad, cut.pitch},
        weights_(f, maps.weights, weight_area_, cut.weight_rows, memory + cut.passes * cut.ring_elements()),
        scales_(memory + cut.passes * cut.ring_elements() + cut.weight_elements, cut.weight_rows, 1, cut.pitch),
        out_(memory + cut.elements() - 2 * cut.channels * cut.pitch) {}

  // Room that a task needs for pointers to rows and to planes of weights.
  static int64_t pointers(const Filter<T>& f) { return lines(f) + 2 * neighbours(f); }

  void run() {
    clear_margins();
    const Range read = rows_of(-1);
    for (int64_t pass = 0; pass < passes_; ++pass) done_[pass] = rows_of(pass).first;
    for (int64_t m = read.first; m < read.end; ++m) {
      load_scores(m);
      while (advance(m + 1)) continue;
    }
  }

 private:
  // What is computed in a pass, or read for pass -1: what the later ones need.
  Range rows_of(int64_t pass) const {
    const int64_t beyond = (passes_ - 1 - pass) * f_.reach_y;
    return {larger<int64_t>(area_.rows.first - beyond, 0), smaller(area_.rows.end + beyond, area_.class_rows)};
  }
  Range columns_of(int64_t pass) const {
    const int64_t beyond = (passes_ - 1 - pass) * f_.reach_x * f_.dilation;
    return {larger<int64_t>(area_.columns.first - beyond, 0), smaller(area_.columns.end + beyond, f_.width)};
  }

  // Takes every pass two rows on where the pass before, or the scores for the first, are far enough. One pair at a
  // time, so that the rings hold what the pass behind needs. False if none moved.
  bool advance(int64_t ready) {
    bool moved = false;
    for (int64_t pass = 0; pass < passes_; ++pass) {
      int64_t& m = done_[pass];
      const int64_t end = rows_of(pass).end;
      if (m < end && ready >= smaller(m + 2 + f_.reach_y, rows_of(pass - 1).end)) {
        filter_rows(pass, m, end);
        m = smaller(m + 2, end);
        moved = true;
      }
      ready = m;
    }
    return moved;
  }

  int64_t at(int64_t column) const { return cut_.pad + column - read_.first; }
  int64_t row_of(int64_t m) const { return area_.residue + m * f_.dilation; }
  Ring<T> ring(int64_t pass) const {  // the scores that a pass reads
    return Ring<T>(memory_ + pass * cut_.ring_elements(), cut_.ring_rows, cut_.channels, cut_.pitch);
  }

  // Beside the image are zeros; no pass writes there.
  void clear_margins() const {
    for (int64_t pass = 0; pass < passes_; ++pass)
      for (int64_t row = 0; row < cut_.ring_rows; ++row)
        for (int64_t c = 0; c < channels_; ++c) {
          T* const plane = ring(pass).row(row) + c * cut_.pitch;
          for (int64_t i = 0; i < cut_.pad; ++i) plane[i] = 0;
          for (int64_t i = at(read_.end); i < cut_.pitch; ++i) plane[i] = 0;
        }
  }

  void load_scores(int64_t m) const {
    const Tensor& in = maps_.in;
    const int64_t offset = maps_.in_image * in.stride[0] + area_.channels.first * in.stride[1] +
                           row_of(m) * in.stride[2] + read_.first * in.stride[3];
    if (row_of(m + kAhead) < f_.height && in.stride[3] == 1)
      for (int64_t c = 0; c < channels_; ++c)
        ask_for(in, offset + kAhead * f_.dilation * in.stride[2] + c * in.stride[1], read_.end - read_.first);
    load_planes(in, offset, in.stride[3], read_.end - read_.first, channels_, ring(0).row(m) + at(read_.first),
                cut_.pitch);
  }

  void store_scores(int64_t m, const T* planes) const {
    const Tensor& out = maps_.out;
    const auto [first, end] = area_.columns;
    const int64_t offset = maps_.out_image * out.stride[0] + area_.channels.first * out.stride[1] +
                           row_of(m) * out.stride[2] + first * out.stride[3];
    store_planes(out, offset, out.stride[3], end - first, channels_, planes + at(first), cut_.pitch);
  }

  static int64_t lines(const Filter<T>& f) { return 2 * f.reach_y + 2; }
  static int64_t neighbours(const Filter<T>& f) { return (2 * f.reach_y + 1) * (2 * f.reach_x + 1); }
  int64_t first_dy(int64_t m) const { return larger(-f_.reach_y, -m); }
  int64_t last_dy(int64_t m) const { return smaller(f_.reach_y, area_.class_rows - 1 - m); }

  // Pointers to the planes of weights of row m, in row-major order of the neighbours whose rows are inside the image.
  int64_t find_weights(int64_t m, const T** planes) const {
    int64_t count = 0;
    for (int64_t dy = first_dy(m); dy <= last_dy(m); ++dy)
      for (int64_t dx = -f_.reach_x; dx <= f_.reach_x; ++dx) planes[count++] = weights_.plane(m, dy, dx);
    return count;
  }

  // What sums of row m are multiplied with.
  void make_scales(int64_t m) const {
    T* const scales = scales_.row(m);
    const auto [first, end] = columns_of(0);
    const int64_t count = maps_.normalize ? find_weights(m, neighbours_) : 0;
    for (int64_t i = at(first); i < at(end); i += kLanes<T>) {
      Vector<T> sum = {};
      for (int64_t n = 0; n < count; ++n) sum += load(neighbours_[n] + i);
      store<T>(scales + i, sum);
    }
    const bool own = maps_.sums != nullptr && m >= area_.rows.first && m < area_.rows.end;
    for (int64_t x = area_.columns.first; own && x < area_.columns.end; ++x)
      maps_.sums[row_of(m) * f_.width + x] = scales[at(x)];
    for (int64_t i = at(first); i < at(end); ++i) scales[i] = scales[i] == 0 ? 1 : 1 / scales[i];
  }

  // Rows m and m + 1 of a pass; below `end`.
  void filter_rows(int64_t pass, int64_t m, int64_t end) {
    const bool last = pass == passes_ - 1, both = m + 1 < end;
    PlanarPair<T> pair{lines_, {}, {}, {}, {}, {}};
    for (int64_t row = 0; row < 2; ++row) {
      const int64_t n = row == 0 || both ? m + row : m;
      if (pass == 0 && n == m + row) {
        weights_.make(n, first_dy(n), last_dy(n));
        make_scales(n);
      }
      pair.scales[row] = scales_.row(n);
      pair.out[row] = last || n != m + row ? out_ + row * cut_.channels * cut_.pitch : ring(pass + 1).row(n);
      pair.first[row] = f_.reach_y + row + first_dy(n);
      pair.last[row] = n == m + row ? f_.reach_y + row + last_dy(n) : pair.first[row] - 1;
      for (int64_t r = pair.first[row]; r <= pair.last[row]; ++r) lines_[r] = ring(pass).row(m - f_.reach_y + r);
    }
    for (int64_t row = 0; row < 2; ++row) {  // once all are made
      const T** const planes = neighbours_ + row * neighbours(f_);
      find_weights(row == 0 || both ? m + row : m, planes);
      pair.weights[row] = planes;
    }
    const auto [left, right] = columns_of(pass);
    filter_pair(f_, pair, cut_.pitch, at(left) / kLanes<T> * kLanes<T>, at(right), channels_);
    for (int64_t row = 0; row < (both ? 2 : 1); ++row) {
      if (last) {
        store_scores(m + row, pair.out[row]);
      } else if (right == f_.width) {  // the last vector went past the image
        for (int64_t c = 0; c < channels_; ++c)
          for (int64_t i = at(right); i < round_up(at(right), kLanes<T>); ++i) pair.out[row][c * cut_.pitch + i] = 0;
      }
    }
  }

  const Filter<T>& f_;
  const PlanarCut<T, Source>& cut_;
  int64_t passes_;
  const Maps& maps_;
  const Area area_;
  int64_t channels_;
  Range read_;
  T* memory_;
  const T** lines_;       // room for the rows of two windows
  const T** neighbours_;  // room for the planes of weights of two rows
  const WeightArea weight_area_;
  Source weights_;
  Ring<T> scales_;
  T* out_;                       // rows after the last pass
  int64_t done_[kMostTogether];  // the next row of each pass
};

}  // namespace crispseg::CRISPSEG_LEVEL
