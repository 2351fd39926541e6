#include "gradients.h"
#include "kernels.h"
#include "planes.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

template <typename T>
void forward(const Tensor& embedding, const Window& window, int norm, Threads threads, const Tensor& distance) {
  const Geometry g(embedding, window);
  const Cutting cutting(g, forward_rows(g) * g.channels * g.stride, 0, sizeof(T));
  const Planes<T> planes(g, distance);
  walk_forward<T>(
      g, cutting, embedding, norm, threads,
      [&](const Part& part, int64_t, int64_t m, int64_t dy, int64_t dx, const T* distances) {
        planes.store_pair(part, m, dy, dx, distances);
      },
      [&](const Part& part, int64_t m) { planes.fill_outside(part, m, HUGE_VALF); });
}

template <typename T, Step kStep>
void backward(const Tensor& grad, const Tensor& embedding, const Window& window, int norm, Threads threads,
              const Tensor& result) {
  const Geometry g(embedding, window);
  const Planes<T> upstream(g, grad);
  walk_backward<T, kStep>(
      g, embedding, norm, kStep == Step::kDifference, threads, result,
      [&](auto& gradient, const Part& part, int64_t, int64_t m, int64_t dy, int64_t dx, const T* distances, T* room) {
        const T* both = upstream.load_pair(part, m, dy, dx, room);
        gradient.set(m, dy, dx, [&](int64_t i) {
          const Vector<T> sum = load(both + i);
          if constexpr (kStep == Step::kSign) return sum;
          const Vector<T> distance = load(distances + i);
          return distance == 0 ? Vector<T>{} : sum / distance;
        });
      },
      [](Vector<T> sums) { return sums; });
}

}  // namespace

void local_distance(const Tensor& embedding, const Window& window, int norm, Threads threads, const Tensor& distance) {
  with_sums(embedding.type, [&](auto zero) {
    forward<decltype(zero)>(embedding, window, norm, threads, distance);
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
