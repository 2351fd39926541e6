#include "gradients.h"
#include "kernels.h"
#include "planes.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

// Divides the weights of every pixel by their sum. A pass of its own: a row is complete only when the rows above it, of
// other tasks too, have been walked.
template <typename T>
void divide_by_sum(const Geometry& g, const Tensor& weights, Threads threads) {
  const int64_t elements = round_up(2 * g.width, 64);
  const Scratch scratch(elements * threads * static_cast<int64_t>(sizeof(T)));
  run_tasks(g.empty() ? 0 : g.batch * g.height, threads, [&](int64_t task, int thread) {
    T* const sums = static_cast<T*>(scratch.data()) + thread * elements;
    T* const room = sums + g.width;
    const int64_t start = task / g.height * weights.stride[0] + task % g.height * weights.stride[2];
    for (int64_t x = 0; x < g.width; ++x) sums[x] = 0;
    for (int64_t k = 0; k < g.count; ++k) {
      const T* plane = strip(weights, start + k * weights.stride[1], weights.stride[3], g.width, room);
      for (int64_t x = 0; x < g.width; ++x) sums[x] += plane[x];
    }
    for (int64_t k = 0; k < g.count; ++k) {
      const int64_t offset = start + k * weights.stride[1];
      const T* plane = strip(weights, offset, weights.stride[3], g.width, room);
      for (int64_t x = 0; x < g.width; ++x) room[x] = plane[x] / sums[x];
      store_strip(weights, offset, weights.stride[3], g.width, room);
    }
  });
}

template <typename T>
double sum_strip(const T* strip, int64_t count) {
  Vector<T> sums = {};
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) sums += load(strip + i);
  double total = sum<T>(sums);
  for (; i < count; ++i) total += strip[i];
  return total;
}

template <typename T>
void forward(const Tensor& embedding, double hardness, const Window& window, int norm, bool normalize, Threads threads,
             const Tensor& weights) {
  const Geometry g(embedding, window);
  const Cutting cutting(g, forward_rows(g) * g.channels * g.stride, 0, sizeof(T));
  const Planes<T> planes(g, weights);
  const T slope = static_cast<T>(-hardness);
  walk_forward<T>(
      g, cutting, embedding, norm, threads,
      [&](const Part& part, int64_t, int64_t m, int64_t dy, int64_t dx, T* distances) {
        const int64_t length = part.columns.end - part.columns.first;
        for (int64_t i = 0; i < length; i += kLanes<T>) store<T>(distances + i, exponential(load(distances + i) * slope));
        planes.store_pair(part, m, dy, dx, distances);
      },
      [&](const Part& part, int64_t m) { planes.fill_outside(part, m, 0); });
  if (normalize) divide_by_sum<T>(g, weights, threads);
}

template <typename T, Step kStep>
double backward(const Tensor& grad, const Tensor& embedding, double hardness, const Window& window, int norm,
                Threads threads, const Tensor& result) {
  const Geometry g(embedding, window);
  const Planes<T> upstream(g, grad);
  const T slope = static_cast<T>(-hardness);
  const int64_t tasks = Cutting(g, backward_elements(g), g.margin, sizeof(T)).tasks();
  const Scratch partial_sums(tasks * static_cast<int64_t>(sizeof(double)));
  double* const to_hardness = static_cast<double*>(partial_sums.data());
  for (int64_t task = 0; task < tasks; ++task) to_hardness[task] = 0;
  walk_backward<T, kStep>(
      g, embedding, norm, true, threads, result,
      [&](auto& gradient, const Part& part, int64_t task, int64_t m, int64_t dy, int64_t dx, const T* distances,
          T* room) {
        const T* both = upstream.load_pair(part, m, dy, dx, room);
        T* const slopes = room + part.pitch;  // -distance · weight · gradient, which the hardness gets
        gradient.set(m, dy, dx, [&](int64_t i) {
          const Vector<T> distance = load(distances + i);
          const Vector<T> weighted = exponential(distance * slope) * load(both + i);
          store<T>(slopes + i, weighted == 0 ? Vector<T>{} : -distance * weighted);
          if constexpr (kStep == Step::kSign) return slope * weighted;
          return distance == 0 ? Vector<T>{} : slope * weighted / distance;
        });
        if (m < part.rows.first || (dy == 0 && dx == 0)) return;
        Range range = inside(g, part, dx);
        range = {larger(range.first, part.tile.first), smaller(range.end, part.tile.end)};
        to_hardness[task] += sum_strip(slopes + range.first - part.columns.first, range.end - range.first);
      },
      [](Vector<T> sums) { return sums; });
  double total = 0;
  for (int64_t task = 0; task < tasks; ++task) total += to_hardness[task];
  return total;
}

}  // namespace

void affinity_weights(const Tensor& embedding, double hardness, const Window& window, int norm, bool normalize,
                      Threads threads, const Tensor& weights) {
  with_sums(embedding.type, [&](auto zero) {
    forward<decltype(zero)>(embedding, hardness, window, norm, normalize, threads, weights);
  });
}

double affinity_weights_backward(const Tensor& grad, const Tensor& embedding, double hardness, const Window& window,
                                 int norm, Threads threads, const Tensor& result) {
  return with_sums(embedding.type, [&](auto zero) {
    using T = decltype(zero);
    const auto run = norm == kNorm1 ? backward<T, Step::kSign> : backward<T, Step::kDifference>;
    return run(grad, embedding, hardness, window, norm, threads, result);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
