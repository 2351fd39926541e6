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
template <typename T>
class PlanarFilter {
 public:
  PlanarFilter(const Filter<T>& f, int64_t passes, Threads threads)
      : f_(f),
        passes_(passes),
        threads_(threads),
        cut_(PlanarCut<T>::best(f, passes)),
        walks_(ceil_div(passes, cut_.passes)),
        lines_(2 * f.reach_y + 2),
        memory_(threads * cut_.elements() * static_cast<int64_t>(sizeof(T))),
        pointers_(threads * lines_ * static_cast<int64_t>(sizeof(T*))),
        between_(smaller<int64_t>(walks_ - 1, 2), f.channels * f.pixels() * static_cast<int64_t>(sizeof(T))) {}

  void run(const Tensor& scores, const Tensor& weights, int64_t image, bool normalize, T* sums, const Tensor& result) {
    Tensor in = scores;
    int64_t in_image = image;
    for (int64_t walk = 0, pass = 0; walk < walks_; ++walk) {
      const int64_t end = passes_ * (walk + 1) / walks_;
      const bool last = walk + 1 == walks_;
      const Tensor out = last ? result : map_between(walk);
      walk_down({weights, in, out, image, in_image, last ? image : 0, walk == 0 ? sums : nullptr, normalize},
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

  void walk_down(const typename PlanarTask<T>::Maps& maps, int64_t passes) const {
    constexpr int64_t kBandRows = 64;
    const int64_t classes = smaller(f_.dilation, f_.height), most_rows = ceil_div(f_.height, classes);
    const int64_t bands = ceil_div(most_rows, kBandRows), groups = ceil_div(f_.channels, kWalkPlanes);
    run_tasks(classes * bands * cut_.tiles * groups, threads_, [&](int64_t task, int thread) {
      const int64_t group = task % groups, tile = task / groups % cut_.tiles;
      const int64_t band = task / groups / cut_.tiles % bands, residue = task / groups / cut_.tiles / bands;
      const int64_t rows = ceil_div(f_.height - residue, f_.dilation);
      const typename PlanarTask<T>::Area area{residue,
                                              rows,
                                              {rows * band / bands, rows * (band + 1) / bands},
                                              {tile * cut_.tile, smaller(f_.width, (tile + 1) * cut_.tile)},
                                              {f_.channels * group / groups, f_.channels * (group + 1) / groups}};
      if (area.rows.first >= area.rows.end || area.columns.first >= area.columns.end) return;
      typename PlanarTask<T>::Maps own = maps;
      if (group > 0) own.sums = nullptr;
      PlanarTask<T>(f_, cut_, passes, own, area, static_cast<T*>(memory_.data()) + thread * cut_.elements(),
                    static_cast<const T**>(pointers_.data()) + thread * lines_)
          .run();
    });
  }

  const Filter<T>& f_;
  int64_t passes_;
  Threads threads_;
  PlanarCut<T> cut_;
  int64_t walks_, lines_;
  Scratch memory_, pointers_;
  Maps between_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
