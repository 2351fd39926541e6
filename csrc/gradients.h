// The way back along the pairs: from a gradient to every distance, to a gradient to every pixel's features.
//
// Each pair gets a coefficient, kept for the rows in reach in a second ring. A row's gradient is gathered when all its
// coefficients are known: every element is written once, by one thread, whatever the number of threads. At stride 1 the
// coefficient of a pair is written for both its sides, so that a row needs only its own K coefficients; with a stride a
// row gathers once as centre and once as neighbour of the centres around it.
#pragma once

#include "pair_rows.h"
#include "signs.h"

namespace crispseg::CRISPSEG_LEVEL {

// How a coefficient and a difference make a gradient.
//
// kSignCount: coefficient · sign in whole numbers, exact. kSign: the same in floats. kDifference: coefficient ·
// difference, for the Euclidean norm, where the coefficient was divided by the distance.
enum class Step { kSignCount, kSign, kDifference };

template <typename T, Step kStep>
struct CoefficientOf {
  using type = T;
};
template <typename T>
struct CoefficientOf<T, Step::kSignCount> {
  using type = Count<T>;
};

template <typename T, Step kStep>
using Coefficient = typename CoefficientOf<T, kStep>::type;

// Neighbours at constant steps from each other, in the coefficients and in the embedding.
template <typename T, typename C>
struct Run {
  const C* coefficients;
  const T* others;
  int64_t coefficient_step, other_step, count;
};

// Channels whose gradients are summed at once: they share the coefficients.
constexpr int kChannels = 4;

// Columns that are gathered together, all channels: what they read of coefficients and embedding stays in a core's
// nearest cache.
constexpr int64_t kSegment = 64;

// result[c · pitch + i] = finish(Σ over the runs) for columns i from `first` to `end` and `kCount` channels. `here` and
// `result` point to the first of them, `others` of the runs to channel 0, `plane` elements before.
//
// Not inlined: the loop wants all registers for itself.
template <typename T, Step kStep, int kCount, typename Finish>
__attribute__((noinline)) void gather(const Run<T, Coefficient<T, kStep>>* runs, int64_t run_count, const T* here,
                                      int64_t plane, int64_t pitch, int64_t first, int64_t end, const Finish& finish,
                                      T* result) {
  using C = Coefficient<T, kStep>;
  for (int64_t i = first; i < end; i += kNarrowLanes<C>) {
    Narrow<C> sums[kCount] = {};
    Columns<T, C> own[kCount];
#pragma GCC unroll 4
    for (int c = 0; c < kCount; ++c) {
      own[c].load(here + c * pitch + i);
      own[c].clear_negative_zero();
    }
    for (const Run<T, C>* run = runs; run != runs + run_count; ++run) {
      const C* coefficients = run->coefficients + i;
      const T* others = run->others + plane + i;
      const int64_t coefficient_step = run->coefficient_step, other_step = run->other_step;
      for (int64_t n = run->count; n > 0; --n, coefficients += coefficient_step, others += other_step) {
        const Narrow<C> coefficient = packed_order<C>(load<C, kNarrowBytes>(coefficients));
#pragma GCC unroll 4
        for (int c = 0; c < kCount; ++c) {
          Columns<T, C> other;
          other.load(others + c * pitch);
          if constexpr (kStep == Step::kDifference) {
            sums[c] += coefficient * (own[c].part[0] - other.part[0]);
          } else {
            sums[c] = add_signed(sums[c], coefficient, own[c], other);
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < kCount; ++c) {
      const auto gradient = finish(packed_order<C>(sums[c]));
      store<T, sizeof(gradient)>(result + c * pitch + i, gradient);
    }
  }
}

// The coefficients and the gradient of one part.
template <typename T, Step kStep>
class Gradient {
 public:
  using C = Coefficient<T, kStep>;

  Gradient(const Walk<T>& walk, C* coefficients, T* result, Run<T, C>* runs)
      : walk_(walk),
        g_(walk.g),
        part_(walk.part),
        coefficients_(walk.g, walk.part, coefficients, forward_rows(walk.g), 0),
        result_(result),
        runs_(runs) {}

  static int64_t most_runs(const Geometry& g) { return 2 * (2 * g.reach_y + 1) * (2 * g.reach_x + 1); }

  // Coefficients of the pair (m, dy, dx) from make(i), a vector for columns part.columns.first + i and on.
  template <typename Make>
  void set(int64_t m, int64_t dy, int64_t dx, const Make& make) {
    if (dy == 0 && dx == 0) return coefficients_.set_centre(m, 0);
    coefficients_.set(m, dy, dx, make);
  }

  // Gathers row m of the gradient and writes it, to the scores as they were compared: times their weight; finish(sums)
  // turns a vector of sums into gradients.
  template <typename Finish>
  void write(int64_t m, const Features& result, const Finish& finish) {
    for (int64_t phase = 0; phase < g_.stride; ++phase) {
      const int64_t runs = g_.mirrored ? mirrored_runs(m) : strided_runs(m, phase);
      const T* here = walk_.ring.row(m) + phase * g_.channels * part_.pitch;
      const int64_t first = part_.at(part_.tile.first), end = part_.at(part_.tile.end);
      for (int64_t i = first; i < end; i += kSegment) gather_segment(runs, here, i, smaller(i + kSegment, end), finish);
      write_map(m, phase, result_ + first, result.embedding);
      if (result.scores == nullptr) continue;
      write_map(m, phase, result_ + result.embedding.shape[1] * part_.pitch + first, *result.scores);
    }
  }

 private:
  void write_map(int64_t m, int64_t phase, const T* planes, const Tensor& map) const {
    const int64_t row = part_.residue + m * g_.dilation, column = part_.tile.first * g_.stride + phase;
    const int64_t count = smaller(part_.tile.end, ceil_div(g_.width - phase, g_.stride)) - part_.tile.first;
    const int64_t offset = part_.image * map.stride[0] + row * map.stride[2] + column * map.stride[3];
    store_planes(map, offset, g_.stride * map.stride[3], count, map.shape[1], planes, part_.pitch);
  }

  template <typename Finish>
  void gather_segment(int64_t runs, const T* here, int64_t first, int64_t end, const Finish& finish) {
    const int64_t pitch = part_.pitch;
    int64_t c = 0;
    for (; c + kChannels <= g_.channels; c += kChannels)
      gather<T, kStep, kChannels>(runs_, runs, here + c * pitch, c * pitch, pitch, first, end, finish,
                                  result_ + c * pitch);
    for (; c < g_.channels; ++c)
      gather<T, kStep, 1>(runs_, runs, here + c * pitch, c * pitch, pitch, first, end, finish, result_ + c * pitch);
  }

  bool has_row(int64_t m) const { return m >= 0 && m < part_.class_rows; }

  // Every row of the window, with coefficients that already stand for both sides.
  int64_t mirrored_runs(int64_t m) {
    int64_t runs = 0;
    for (int64_t dy = -g_.reach_y; dy <= g_.reach_y; ++dy) {
      if (!has_row(m + dy)) continue;
      const C* coefficients = coefficients_.plane(m, dy, -g_.reach_x);
      runs_[runs++] = {coefficients, walk_.neighbour(m + dy, -g_.reach_x), part_.pitch, g_.dilation,
                       2 * g_.reach_x + 1};
    }
    return runs;
  }

  // Row m as neighbour of the centres around it and, where it has centres, as centre.
  int64_t strided_runs(int64_t m, int64_t phase) {
    int64_t runs = 0;
    for (int64_t dy = -g_.reach_y; dy <= g_.reach_y; ++dy) {
      for (int64_t dx = -g_.reach_x; dx <= g_.reach_x; ++dx) {
        const int64_t back = phase - dx * g_.dilation;
        if (has_row(m - dy) && walk_.has_centres(m - dy) && back % g_.stride == 0) {
          const int64_t shift = back / g_.stride;
          runs_[runs++] = {coefficients_.plane(m - dy, dy, dx) + shift, walk_.centre(m - dy) + shift, 0, 0, 1};
        }
        if (phase == 0 && walk_.has_centres(m) && has_row(m + dy))
          runs_[runs++] = {coefficients_.plane(m, dy, dx), walk_.neighbour(m + dy, dx), 0, 0, 1};
      }
    }
    return runs;
  }

  const Walk<T>& walk_;
  const Geometry& g_;
  const Part& part_;
  PairRows<C> coefficients_;
  T* result_;
  Run<T, C>* runs_;
};

// How a way back is cut: by what its rings hold for a column.
inline Cutting backward_cutting(const Geometry& g, bool upstream, int64_t element_bytes) {
  const int64_t embedding = (forward_rows(g) + g.reach_y) * g.channels * g.stride;
  const int64_t pairs = forward_rows(g) + (upstream ? map_rows(g) : 0);
  return Cutting(g, embedding + pairs * g.count, g.margin, element_bytes);
}

// Walks down every part, asks set(gradient, place, m, dy, dx, distances, upstream, room) for the coefficients of each
// pair, and writes the gradient. `upstream` has the gradient to the pair, of both its sides, where a `grad` is given;
// `room` is two strips.
//
// Pairs whose centres lie beside the part are visited too where they reach into it.
template <typename T, Step kStep, typename Set, typename Finish>
void walk_backward(const Geometry& g, const Cutting& cutting, const Tensor* grad, const Features& features, int norm,
                   bool distances, Threads threads, const Features& result, const Set& set, const Finish& finish) {
  using C = Coefficient<T, kStep>;
  const int64_t lag = g.mirrored ? 0 : g.reach_y;  // a row is complete when the centres below it were visited
  const int64_t capacity = 2 * g.reach_y + 1 + lag, planes = g.stride * g.channels;
  const int64_t pitch = cutting.pitch();
  const int64_t ring_elements = Ring<T>::elements(capacity, planes, pitch);
  const int64_t pair_elements = Ring<T>::elements(forward_rows(g), g.count, pitch);
  const int64_t grad_elements = grad == nullptr ? 0 : Ring<T>::elements(map_rows(g), g.count, pitch);
  const int64_t elements = ring_elements + pair_elements + grad_elements + pitch * (g.channels + kGroup + 3);
  const int64_t run_bytes = Gradient<T, kStep>::most_runs(g) * static_cast<int64_t>(sizeof(Run<T, C>));
  const int64_t bytes = round_up(elements * static_cast<int64_t>(sizeof(T)) + run_bytes, 64);
  const Scratch scratch(bytes * threads);
  run_tasks(cutting.tasks(), threads, [&](int64_t task, int thread) {
    Part part;
    if (!cutting.part(task, part)) return;
    const Place place{part, task, thread};
    T* memory = reinterpret_cast<T*>(static_cast<char*>(scratch.data()) + thread * bytes);
    const auto take = [&](int64_t count) {
      T* const taken = memory;
      memory += count;
      return taken;
    };
    const Ring<T> ring(take(ring_elements), capacity, planes, pitch);
    const Walk<T> walk{g, features, part, ring, take(kGroup * pitch)};
    const PairRows<T> upstream(g, part, take(grad_elements), map_rows(g), 0);
    T* const both = take(pitch);
    T* const room = take(2 * pitch);
    T* const sums = take(g.channels * pitch);
    C* const coefficients = reinterpret_cast<C*>(take(pair_elements));
    Gradient<T, kStep> gradient(walk, coefficients, sums, reinterpret_cast<Run<T, C>*>(memory));
    const int64_t top = larger<int64_t>(part.rows.first - g.reach_y, 0);
    int64_t unpacked = larger<int64_t>(top - lag, 0), unpacked_grad = top;
    for (int64_t m = top; m < part.rows.end + lag; ++m) {
      for (; unpacked <= smaller(m + g.reach_y, part.class_rows - 1); ++unpacked) walk.unpack(unpacked);
      if (m < part.class_rows && walk.has_centres(m)) {
        if (grad != nullptr) {
          unpacked_grad = larger(unpacked_grad, m);
          const int64_t last = smaller(m + map_rows(g), part.class_rows);
          for (; unpacked_grad < last; ++unpacked_grad) upstream.unpack(unpacked_grad, *grad);
        }
        const int64_t first_dy = g.mirrored ? larger<int64_t>(part.rows.first - m, 0) : -g.reach_y;
        visit_pairs(walk, m, norm, distances, first_dy, [&](int64_t dy, int64_t dx, const T* strip) {
          const T* const to_pair = grad == nullptr ? nullptr : upstream.both(m, dy, dx, both);
          set(gradient, place, m, dy, dx, strip, to_pair, room);
        });
      }
      if (m - lag >= part.rows.first) gradient.write(m - lag, result, finish);
    }
  });
}

// Sum of the part of a strip by column, for the pair (m, dy, dx), that this part and no other counts: pairs whose
// centre lies in its rows and its tile, and whose neighbour is inside the image. A walk visits others beside them. A
// pixel makes no pair with itself.
template <typename T>
double sum_own(const Geometry& g, const Part& part, int64_t m, int64_t dy, int64_t dx, const T* strip) {
  if (m < part.rows.first || m >= part.rows.end || (dy == 0 && dx == 0)) return 0;
  const Range range = inside(g, part, dx);
  const int64_t first = larger(range.first, part.tile.first), end = smaller(range.end, part.tile.end);
  return first < end ? sum_run(strip + first - part.columns.first, end - first) : 0;
}

}  // namespace crispseg::CRISPSEG_LEVEL
