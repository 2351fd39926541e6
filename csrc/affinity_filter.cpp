#include "kernels.h"
#include "planar_filter.h"

namespace crispseg::CRISPSEG_LEVEL {

void affinity_filter(const Tensor& scores, const Features& features, double hardness, const Window& window, int norm,
                     int64_t passes, bool normalize, Threads threads, const Tensor& result) {
  with_sums(scores.type == Type::kFloat64 ? scores.type : features.widest(), [&](auto zero) {
    using T = decltype(zero);
    const Filter<T> f(scores, window, 0);
    if (f.empty()) return;
    const typename MadeWeights<T>::Given weights(features, hardness, window, norm);
    PlanarFilter<T, MadeWeights<T>> planar(f, weights, passes, threads);
    for (int64_t image = 0; image < f.batch; ++image) planar.run(scores, image, normalize, nullptr, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
