// Where the planar filter has its weights from: a tensor that holds them, or features from which they are made.
//
// Both give a plane of weights for each neighbour of a row, 0 where the neighbour is outside the image, and are asked
// for rows in ascending order.
#pragma once

#include "pairs.h"
#include "taps.h"

namespace crispseg::CRISPSEG_LEVEL {

// Rows and columns of one image that a task takes weights of.
struct WeightArea {
  int64_t image, residue, class_rows;
  Range rows, columns;  // of weights
  Range read;           // columns of scores and features
  int64_t pad, pitch;   // columns beside `read` in a plane; elements from plane to plane

  int64_t at(int64_t column) const { return pad + column - read.first; }
};

// Weights that a tensor holds.
template <typename T>
class StoredWeights {
 public:
  using Given = Tensor;
  static constexpr int64_t kChannels = 12;          // of one walk
  static int64_t cache_bytes() { return 1 << 20; }  // what a task may take of a core's own cache

  // What a walk takes beside its passes, in channels of a pass.
  static double time(const Filter<T>&, const Given&) { return 12; }

  static int64_t elements(const Filter<T>& f, const Given&, int64_t rows, int64_t pitch) {
    return Ring<T>::elements(rows, planes(f), pitch);
  }

  StoredWeights(const Filter<T>& f, const Given& given, const WeightArea& area, int64_t rows, T* memory)
      : f_(f), given_(given), area_(area), ring_(memory, rows, planes(f), area.pitch) {}

  // The plane of a neighbour: those that no pixel has inside the image have none.
  const T* plane(int64_t m, int64_t dy, int64_t dx) const {
    return ring_.row(m) + ((dy + f_.reach_y) * (2 * f_.reach_x + 1) + dx + f_.reach_x) * area_.pitch;
  }

  void make(int64_t m, int64_t first_dy, int64_t last_dy) {
    const Weights weights{given_, area_.image, false};
    const auto [first, end] = area_.columns;
    const int64_t y = area_.residue + m * f_.dilation, ahead = y + kAhead * f_.dilation;
    for (int64_t dy = first_dy; dy <= last_dy; ++dy)
      for (int64_t dx = -f_.reach_x; dx <= f_.reach_x; ++dx) {
        const int64_t left = smaller(larger(first, -dx * f_.dilation), end);
        const int64_t right = larger(smaller(end, f_.width - dx * f_.dilation), left);
        T* const to = const_cast<T*>(plane(m, dy, dx));
        if (ahead < f_.height && given_.stride[3] == 1)
          ask_for(given_, weights.at(f_, ahead, first, dy, dx), end - first);
        for (int64_t i = area_.at(first); i < area_.at(left); ++i) to[i] = 0;
        if (left < right)
          load_strip(given_, weights.at(f_, y, left, dy, dx), given_.stride[3], right - left, to + area_.at(left));
        for (int64_t i = area_.at(right); i < area_.at(end); ++i) to[i] = 0;
      }
  }

 private:
  static int64_t planes(const Filter<T>& f) { return (2 * f.reach_y + 1) * (2 * f.reach_x + 1); }

  const Filter<T>& f_;
  const Given& given_;
  const WeightArea& area_;
  Ring<T> ring_;
};

// Weights that are made of features, exp(-hardness · distance).
//
// A pair has one weight for both its pixels: only the planes of neighbours below and to the right are kept, and those
// above and to the left are read from the neighbour's own row, where it stands.
template <typename T>
class MadeWeights {
 public:
  static constexpr int64_t kChannels = 24;  // more of them, since every walk makes the weights
  static int64_t cache_bytes() { return own_cache_bytes(); }

  struct Given {
    const Features& features;
    const Geometry geometry;
    T slope;
    int norm;

    Given(const Features& features, double hardness, const Window& window, int norm)
        : features(features), geometry(features, window), slope(static_cast<T>(-hardness)), norm(norm) {}
  };

  static double time(const Filter<T>&, const Given& given) { return static_cast<double>(given.geometry.channels); }

  static int64_t elements(const Filter<T>& f, const Given& given, int64_t rows, int64_t pitch) {
    return weight_elements(f, rows, pitch) + feature_elements(given, pitch) + kGroup * pitch;
  }

  MadeWeights(const Filter<T>& f, const Given& given, const WeightArea& area, int64_t rows, T* memory)
      : f_(f),
        given_(given),
        area_(area),
        part_{area.image, area.residue, area.class_rows, area.rows, area.read, area.read, area.read.first - area.pad,
              area.pitch},
        ring_(memory, rows + f.reach_y, planes(f), area.pitch),
        next_(larger<int64_t>(area.rows.first - f.reach_y, 0)),
        unpacked_(next_),
        walk_{given.geometry, given.features, part_,
              Ring<T>(memory + weight_elements(f, rows, area.pitch), feature_rows(given), given.geometry.channels,
                      area.pitch),
              memory + weight_elements(f, rows, area.pitch) + feature_elements(given, area.pitch)} {}

  const T* plane(int64_t m, int64_t dy, int64_t dx) const {
    const bool own = dy > 0 || (dy == 0 && dx >= 0);
    return own ? own_plane(m, dy, dx) : own_plane(m + dy, -dy, -dx) + dx * f_.dilation;
  }

  void make(int64_t m, int64_t, int64_t) {
    for (; next_ <= m; ++next_) make_row(next_);
  }

 private:
  static int64_t planes(const Filter<T>& f) { return f.reach_y * (2 * f.reach_x + 1) + f.reach_x + 1; }
  static int64_t feature_rows(const Given& given) { return given.geometry.reach_y + 1; }
  static int64_t weight_elements(const Filter<T>& f, int64_t rows, int64_t pitch) {
    return Ring<T>::elements(rows + f.reach_y, planes(f), pitch);
  }
  static int64_t feature_elements(const Given& given, int64_t pitch) {
    return Ring<T>::elements(feature_rows(given), given.geometry.channels, pitch);
  }

  T* own_plane(int64_t m, int64_t dy, int64_t dx) const {
    return ring_.row(m) + (dy * (2 * f_.reach_x + 1) + dx) * area_.pitch;
  }

  void make_row(int64_t m) {
    for (; unpacked_ <= smaller(m + f_.reach_y, area_.class_rows - 1); ++unpacked_) walk_.unpack(unpacked_);
    visit_pairs(walk_, m, given_.norm, true, larger<int64_t>(area_.rows.first - m, 0),
                [&](int64_t dy, int64_t dx, const T* distances) {
                  T* const to = own_plane(m, dy, dx);
                  const int64_t base = part_.at(part_.columns.first);
                  const Range range = inside(given_.geometry, part_, dx);
                  for (int64_t i = 0; i < part_.columns.end - part_.columns.first; i += kLanes<T>)
                    store<T>(to + base + i, exponential(load(distances + i) * given_.slope));
                  for (int64_t i = 0; i < part_.at(range.first); ++i) to[i] = 0;
                  for (int64_t i = part_.at(range.end); i < area_.pitch; ++i) to[i] = 0;
                });
  }

  const Filter<T>& f_;
  const Given& given_;
  const WeightArea& area_;
  const Part part_;
  Ring<T> ring_;
  int64_t next_, unpacked_;  // rows of weights, of features
  const Walk<T> walk_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
