#include "gradients.h"
#include "kernels.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

// Divides the weights of row m by their sum.
template <typename T>
void divide_by_sum(const Geometry& g, const Part& part, const PairRows<T>& rows, int64_t m) {
  const int64_t first = part.at(part.tile.first), end = part.at(part.tile.end);
  for (int64_t i = first; i < end; i += kLanes<T>) {
    T* const planes = rows.plane(m, -g.half, -g.half) + i;
    Vector<T> sum = {};
    for (int64_t k = 0; k < g.count; ++k) sum += load(planes + k * part.pitch);
    for (int64_t k = 0; k < g.count; ++k) store<T>(planes + k * part.pitch, load(planes + k * part.pitch) / sum);
  }
}

template <typename T>
void forward(const Features& features, double hardness, const Window& window, int norm, bool normalize, Threads threads,
             const Tensor& weights) {
  const Geometry g(features, window);
  const T slope = static_cast<T>(-hardness);
  write_pairs<T>(
      g, features, norm, threads, 0, weights, [=](Vector<T> distances) { return exponential(distances * slope); },
      [&](const Part& part, const PairRows<T>& rows, int64_t m) {
        if (normalize) divide_by_sum(g, part, rows, m);
      });
}

template <typename T, Step kStep>
double backward(const Tensor& grad, const Features& features, double hardness, const Window& window, int norm,
                Threads threads, const Features& result) {
  const Geometry g(features, window);
  const Cutting cutting = backward_cutting(g, true, sizeof(T));
  const T slope = static_cast<T>(-hardness);
  const TaskSums to_hardness(cutting.tasks());
  walk_backward<T, kStep>(
      g, cutting, &grad, features, norm, true, threads, result,
      [&](auto& gradient, const Place& place, int64_t m, int64_t dy, int64_t dx, const T* distances, const T* upstream,
          T* slopes) {  // -distance · weight · gradient, which the hardness gets
        gradient.set(m, dy, dx, [&](int64_t i) {
          const Vector<T> distance = load(distances + i);
          const Vector<T> weighted = exponential(distance * slope) * load(upstream + i);
          store<T>(slopes + i, weighted == 0 ? Vector<T>{} : -distance * weighted);
          if constexpr (kStep == Step::kSign) return slope * weighted;
          return distance == 0 ? Vector<T>{} : slope * weighted / distance;
        });
        to_hardness[place.task] += sum_own(g, place.part, m, dy, dx, slopes);
      },
      [](auto sums) { return sums; });
  return to_hardness.total();
}

}  // namespace

void affinity_weights(const Features& features, double hardness, const Window& window, int norm, bool normalize,
                      Threads threads, const Tensor& weights) {
  with_sums(features.widest(),
            [&](auto zero) { forward<decltype(zero)>(features, hardness, window, norm, normalize, threads, weights); });
}

double affinity_weights_backward(const Tensor& grad, const Features& features, double hardness, const Window& window,
                                 int norm, Threads threads, const Features& result) {
  return with_sums(features.widest(), [&](auto zero) {
    using T = decltype(zero);
    const auto run = norm == kNorm1 ? backward<T, Step::kSign> : backward<T, Step::kDifference>;
    return run(grad, features, hardness, window, norm, threads, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
