#include "gradients.h"
#include "kernels.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

template <typename T, Step kStep>
void backward(const Tensor& grad, const Tensor& embedding, const Window& window, int norm, Threads threads,
              const Tensor& result) {
  const Geometry g(embedding, window);
  walk_backward<T, kStep>(
      g, backward_cutting(g, true, sizeof(T)), &grad, embedding, norm, kStep == Step::kDifference, threads, result,
      [](auto& gradient, const Place&, int64_t m, int64_t dy, int64_t dx, const T* distances, const T* upstream, T*) {
        gradient.set(m, dy, dx, [&](int64_t i) {
          const Vector<T> sum = load(upstream + i);
          if constexpr (kStep == Step::kSign) return sum;
          const Vector<T> distance = load(distances + i);
          return distance == 0 ? Vector<T>{} : sum / distance;
        });
      },
      [](auto sums) { return sums; });
}

}  // namespace

void local_distance(const Tensor& embedding, const Window& window, int norm, Threads threads, const Tensor& distance) {
  const Geometry g(embedding, window);
  with_sums(embedding.type, [&](auto zero) {
    using T = decltype(zero);
    write_pairs<T>(
        g, embedding, norm, threads, HUGE_VALF, distance, [](Vector<T> distances) { return distances; },
        [](const Part&, const PairRows<T>&, int64_t) {});
  });
}

void local_distance_backward(const Tensor& grad, const Tensor& embedding, const Window& window, int norm,
                             Threads threads, const Tensor& result) {
  with_sums(embedding.type, [&](auto zero) {
    using T = decltype(zero);
    const auto run = norm == kNorm1 ? backward<T, Step::kSign> : backward<T, Step::kDifference>;
    run(grad, embedding, window, norm, threads, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
