// Several passes of the filter in one walk down the image, while weights and scores are in a core's own cache.
//
// The weights of a window are more than all scores, and each pass reads them anew: from memory that takes longer than
// the arithmetic. Here a pass follows the one before as closely as its window allows: it is `reach_y` rows behind. Rows
// between two passes are kept in a ring, as high as a window. Rows that differ by a multiple of the dilation form a
// class, which is filtered on its own. A class is cut into bands, and a band computes the rows beyond it that its own
// rows need.
#pragma once

#include "filter.h"

namespace crispseg::CRISPSEG_LEVEL {

// How many passes one walk takes: as many as stay in the cache. With 1 there is no walk.
template <typename T>
int64_t passes_together(const Filter<T>& f, int64_t passes) {
  constexpr int64_t kCacheBytes = 1 << 20;
  const int64_t rows = (2 * f.reach_y + 1) * f.row_elements();  // of scores, for each pass
  const int64_t next = rows + f.reach_y * f.width * f.count;    // with the weights between two passes
  const int64_t fit =
      (kCacheBytes / static_cast<int64_t>(sizeof(T)) - rows - f.width * f.count) / larger<int64_t>(next, 1);
  return smaller(passes, larger<int64_t>(fit + 1, 1));
}

template <typename T>
class FilterWalk {
 public:
  FilterWalk(const Filter<T>& f, int64_t most_passes, Threads threads)
      : f_(f),
        threads_(threads),
        ring_rows_(2 * f.reach_y + 1),
        scale_rows_((most_passes - 1) * f.reach_y + 1),
        elements_(most_passes < 2 ? 0
                                  : round_up((most_passes - 1) * ring_rows_ * f.row_elements() + f.row_elements() +
                                                 (scale_rows_ + 1) * f.width,
                                             64)),
        memory_(threads * elements_ * static_cast<int64_t>(sizeof(T))) {}

  // Takes `passes` of them from the map `in` to the map `out`; to the last of all there is none, and store(row, strip)
  // gets its rows. With `fresh`, sums of weights are computed, else they are read.
  template <typename BlockOf, typename Store>
  void run(const Weights& weights, int64_t passes, const T* in, T* sums, bool fresh, bool normalize, T* out,
           const BlockOf& block_of, const Store& store) const {
    constexpr int64_t kBandRows = 64;
    const int64_t classes = smaller(f_.dilation, f_.height), most_rows = ceil_div(f_.height, classes);
    const int64_t bands = ceil_div(most_rows, kBandRows), band_rows = ceil_div(most_rows, bands);
    run_tasks(classes * bands, threads_, [&](int64_t task, int thread) {
      Band band{task % classes, task / classes * band_rows, 0, 0};
      band.rows = ceil_div(f_.height - band.residue, f_.dilation);
      band.end = smaller(band.first + band_rows, band.rows);
      if (band.first >= band.end) return;
      const Task here{weights, passes, in, sums, fresh, normalize, out, memory(thread), block_of(thread)};
      const int64_t lag = f_.reach_y, top = larger<int64_t>(band.first - (passes - 1) * lag, 0);
      for (int64_t step = top; step < band.end + (passes - 1) * lag; ++step)
        for (int64_t pass = 0; pass < passes; ++pass) filter_row(here, band, pass, step - pass * lag, store);
    });
  }

 private:
  // Rows `first` to `end` of a class of `rows` rows; row m is row residue + dilation · m of the image.
  struct Band {
    int64_t residue, first, end, rows;
  };

  struct Task {
    const Weights& weights;
    int64_t passes;
    const T* in;
    T* sums;
    bool fresh, normalize;
    T* out;
    T* memory;
    Block<T> block;
  };

  T* memory(int thread) const { return static_cast<T*>(memory_.data()) + thread * elements_; }

  // Row m after a pass, in the ring of that pass; rows after the last pass are stored one at a time.
  T* ring_row(const Task& task, int64_t pass, int64_t m) const {
    const int64_t row = pass == task.passes - 1 ? 0 : m % ring_rows_;
    return task.memory + (pass * ring_rows_ + row) * f_.row_elements();
  }

  T* scale_row(const Task& task, int64_t m) const { return task.memory + elements_ - (m % scale_rows_ + 2) * f_.width; }

  template <typename Store>
  void filter_row(const Task& task, const Band& band, int64_t pass, int64_t m, const Store& store) const {
    const int64_t beyond = (task.passes - 1 - pass) * f_.reach_y;
    if (m < larger<int64_t>(band.first - beyond, 0) || m >= smaller(band.end + beyond, band.rows)) return;
    const int64_t y = band.residue + m * f_.dilation;
    for (int64_t dy = larger(-f_.reach_y, -m); dy <= smaller(f_.reach_y, band.rows - 1 - m); ++dy)
      task.block.lines[dy + f_.reach_y] =
          pass == 0 ? task.in + (y + dy * f_.dilation) * f_.row_elements() : ring_row(task, pass - 1, m + dy);
    const bool last = pass == task.passes - 1, own = m >= band.first && m < band.end;
    T* const out = last && task.out != nullptr ? task.out + y * f_.row_elements() : ring_row(task, pass, m);
    T* const sums = task.sums + y * f_.width;
    const Lines<T> lines{task.block.lines, scale_row(task, m), out};
    // Rows beyond the band are another task's to write.
    const Scales<T> fresh{own ? sums : task.memory + elements_ - f_.width, scale_row(task, m), task.normalize};
    if (pass == 0 && !task.fresh) Scales<T>::invert(sums, f_.width, scale_row(task, m));
    for (int64_t x = 0; x < f_.width; x += kColumns) {
      const Strip strip{y, x, smaller(f_.width, x + kColumns)};
      filter_strip(f_, task.weights, task.block, lines, strip, pass == 0 && task.fresh ? &fresh : nullptr,
                   pass == 0 ? kAhead * f_.dilation : 0);
      if (last && task.out == nullptr) store(out, strip);
    }
  }

  const Filter<T>& f_;
  Threads threads_;
  int64_t ring_rows_, scale_rows_, elements_;
  Scratch memory_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
