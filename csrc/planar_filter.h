// Several passes of the filter in one walk down an image whose weights and scores lie in planes.
//
// As in filter_walk.h, a pass follows the one before as closely as its window allows, on a class of rows that differ by
// a multiple of the dilation. What is between two passes lies in a ring of rows, with zeros beside the image, and so do
// the weights on the way from the first pass to the last. Tasks are bands of rows, tiles of columns and groups of
// channels; what a task's own pixels need of others around it, it computes again. A pixel's sum takes its neighbours in
// row-major order whatever the cutting, so its bits do not depend on that.
#pragma once

#include "planar_task.h"

namespace crispseg::CRISPSEG_LEVEL {

// Takes all passes over an image, in as many walks as it needs.
template <typename T, typename Source>
class PlanarFilter {
 public:
  PlanarFilter(const Filter<T>& f, const typename Source::Given& weights, int64_t passes, Threads threads)
      : f_(f),
        weights_(weights),
        passes_(passes),
        threads_(threads),
        cut_(PlanarCut<T, Source>::best(f, weights, passes)),
        walks_(ceil_div(passes, cut_.passes)),
        memory_(threads * cut_.elements() * static_cast<int64_t>(sizeof(T))),
        pointers_(threads * PlanarTask<T, Source>::pointers(f) * static_cast<int64_t>(sizeof(T*))),
        between_(smaller<int64_t>(walks_ - 1, 2), f.channels * f.pixels() * static_cast<int64_t>(sizeof(T))) {}

  void run(const Tensor& scores, int64_t image, bool normalize, T* sums, const Tensor& result) {
    Tensor in = scores;
    int64_t in_image = image;
    for (int64_t walk = 0, pass = 0; walk < walks_; ++walk) {
      const int64_t end = passes_ * (walk + 1) / walks_;
      const bool last = walk + 1 == walks_;
      const Tensor out = last ? result : map_between(walk);
      walk_down({weights_, in, out, image, in_image, last ? image : 0, walk == 0 ? sums : nullptr, normalize},
                end - pass);
      in = out, in_image = 0, pass = end;
    }
  }

 private:
  Tensor map_between(int64_t walk) const {
    return {between_[walk % 2],
            kTypeOf<T>,
            {1, f_.channels, f_.height, f_.width},
            {f_.channels * f_.pixels(), f_.pixels(), f_.width, 1}};
  }

  // How many bands of rows take the least time, for so many tasks in each: as few as keep all threads at work, since
  // rows beside a band are computed again.
  int64_t best_bands(int64_t tasks, int64_t rows, int64_t beside) const {
    constexpr int64_t kLeastRows = 16;
    const auto time = [=](int64_t bands) {
      const int64_t most = ceil_div(rows, bands) + smaller<int64_t>(bands - 1, 2) * beside;
      return ceil_div(tasks * bands, int64_t{threads_}) * most;
    };
    int64_t best = 1;
    for (int64_t bands = 2; bands <= ceil_div(rows, kLeastRows); ++bands)
      if (time(bands) < time(best)) best = bands;
    return best;
  }

  void walk_down(const typename PlanarTask<T, Source>::Maps& maps, int64_t passes) const {
    const int64_t classes = smaller(f_.dilation, f_.height), most_rows = ceil_div(f_.height, classes);
    const int64_t groups = ceil_div(f_.channels, Source::kChannels);
    const int64_t bands = best_bands(classes * cut_.tiles * groups, most_rows, (passes - 1) * f_.reach_y);
    run_tasks(classes * bands * cut_.tiles * groups, threads_, [&](int64_t task, int thread) {
      const int64_t group = task % groups, tile = task / groups % cut_.tiles;
      const int64_t band = task / groups / cut_.tiles % bands, residue = task / groups / cut_.tiles / bands;
      const int64_t rows = ceil_div(f_.height - residue, f_.dilation);
      const typename PlanarTask<T, Source>::Area area{
          residue,
          rows,
          {rows * band / bands, rows * (band + 1) / bands},
          {tile * cut_.tile, smaller(f_.width, (tile + 1) * cut_.tile)},
          {f_.channels * group / groups, f_.channels * (group + 1) / groups}};
      if (area.rows.first >= area.rows.end || area.columns.first >= area.columns.end) return;
      typename PlanarTask<T, Source>::Maps own = maps;
      if (group > 0) own.sums = nullptr;
      PlanarTask<T, Source>(f_, cut_, passes, own, area, static_cast<T*>(memory_.data()) + thread * cut_.elements(),
                            static_cast<const T**>(pointers_.data()) + thread * PlanarTask<T, Source>::pointers(f_))
          .run();
    });
  }

  const Filter<T>& f_;
  const typename Source::Given& weights_;
  int64_t passes_;
  Threads threads_;
  PlanarCut<T, Source> cut_;
  int64_t walks_;
  Scratch memory_, pointers_;
  Maps between_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
