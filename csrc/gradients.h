// The way back along the pairs: from a gradient to every distance, to a gradient to every pixel's embedding.
//
// Each pair gets a coefficient, kept for the rows in reach in a second ring. A row's gradient is gathered when all its
// coefficients are known: every element is written once, by one thread, whatever the number of threads. At stride 1 the
// coefficient of a pair is written for both its sides, so that a row needs only its own K coefficients; with a stride a
// row gathers once as centre and once as neighbour of the centres around it.
#pragma once

#include "pairs.h"

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
  using type = Integer<T>;
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

// result[plane + c · pitch + i] = finish(Σ over the runs), for `kCount` channels from `plane` on.
template <typename T, Step kStep, int kCount, typename Finish>
void gather(const Run<T, Coefficient<T, kStep>>* runs, int64_t run_count, const T* here, int64_t plane, int64_t pitch,
            int64_t i, const Finish& finish, T* result) {
  using C = Coefficient<T, kStep>;
  Vector<C> sums[kCount] = {};
  Vector<T> own[kCount];
#pragma GCC unroll 4
  for (int c = 0; c < kCount; ++c) own[c] = load(here + plane + c * pitch + i);
  for (const Run<T, C>* run = runs; run != runs + run_count; ++run) {
    const C* coefficients = run->coefficients + i;
    const T* others = run->others + plane + i;
    for (int64_t n = 0; n < run->count; ++n, coefficients += run->coefficient_step, others += run->other_step) {
      const Vector<C> coefficient = load(coefficients);
#pragma GCC unroll 4
      for (int c = 0; c < kCount; ++c) {
        const Vector<T> difference = own[c] - load(others + c * pitch);
        if constexpr (kStep == Step::kDifference) {
          sums[c] += coefficient * difference;
        } else {
          sums[c] = add_signed<T>(sums[c], coefficient, difference);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < kCount; ++c) store<T>(result + plane + c * pitch + i, finish(sums[c]));
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
        coefficients_(coefficients, rows(walk.g), walk.g.count, walk.part.pitch),
        result_(result),
        runs_(runs) {}

  static int64_t rows(const Geometry& g) { return forward_rows(g); }
  static int64_t most_runs(const Geometry& g) { return 2 * (2 * g.reach_y + 1) * (2 * g.reach_x + 1); }

  // Coefficients of the pair (m, dy, dx) from make(i), a vector for columns part.columns.first + i and on; 0 where the
  // neighbour is outside the image, and for a pixel with itself.
  template <typename Make>
  void set(int64_t m, int64_t dy, int64_t dx, const Make& make) {
    const Range range = inside(g_, part_, dx);
    const int64_t base = part_.at(part_.columns.first), length = part_.columns.end - part_.columns.first;
    C* to = coefficients_.row(m) + g_.neighbour(dy, dx) * part_.pitch + base;
    if (dy != 0 || dx != 0)
      for (int64_t i = 0; i < length; i += kLanes<T>) store<C>(to + i, make(i));
    const bool none = (dy == 0 && dx == 0) || range.first == range.end;
    clear(to, -g_.margin, none ? length : range.first - part_.columns.first);
    clear(to, none ? length : range.end - part_.columns.first, length + g_.margin);
    if (!g_.mirrored || (dy == 0 && dx == 0)) return;
    const int64_t shift = dx * g_.dilation;
    C* back = coefficients_.row(m + dy) + g_.neighbour(-dy, -dx) * part_.pitch + base;
    const int64_t first = larger<int64_t>(shift, 0), end = length + smaller<int64_t>(shift, 0);
    for (int64_t i = first; i < end; ++i) back[i] = to[i - shift];
    clear(back, 0, smaller(first, length));
    clear(back, larger<int64_t>(end, 0), length);
  }

  // Gathers row m of the gradient and writes it; finish(sums) turns a vector of sums into gradients.
  template <typename Finish>
  void write(int64_t m, const Tensor& result, const Finish& finish) {
    for (int64_t phase = 0; phase < g_.stride; ++phase) {
      const int64_t runs = g_.mirrored ? mirrored_runs(m) : strided_runs(m, phase);
      const T* here = walk_.ring.row(m) + phase * g_.channels * part_.pitch;
      const int64_t first = part_.at(part_.tile.first), end = part_.at(part_.tile.end), pitch = part_.pitch;
      for (int64_t i = first; i < end; i += kLanes<T>) {
        int64_t c = 0;
        for (; c + kChannels <= g_.channels; c += kChannels)
          gather<T, kStep, kChannels>(runs_, runs, here, c * pitch, pitch, i, finish, result_);
        for (; c < g_.channels; ++c) gather<T, kStep, 1>(runs_, runs, here, c * pitch, pitch, i, finish, result_);
      }
      const int64_t row = part_.residue + m * g_.dilation, column = part_.tile.first * g_.stride + phase;
      const int64_t count = smaller(part_.tile.end, ceil_div(g_.width - phase, g_.stride)) - part_.tile.first;
      const int64_t offset = part_.image * result.stride[0] + row * result.stride[2] + column * result.stride[3];
      store_planes(result, offset, g_.stride * result.stride[3], count, g_.channels, result_ + first, pitch);
    }
  }

 private:
  static void clear(C* strip, int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) strip[i] = 0;
  }

  bool has_row(int64_t m) const { return m >= 0 && m < part_.class_rows; }

  // Every row of the window, with coefficients that already stand for both sides.
  int64_t mirrored_runs(int64_t m) {
    int64_t runs = 0;
    for (int64_t dy = -g_.reach_y; dy <= g_.reach_y; ++dy) {
      if (!has_row(m + dy)) continue;
      const C* coefficients = coefficients_.row(m) + g_.neighbour(dy, -g_.reach_x) * part_.pitch;
      runs_[runs++] = {coefficients, walk_.neighbour(m + dy, -g_.reach_x), part_.pitch, g_.dilation, 2 * g_.reach_x + 1};
    }
    return runs;
  }

  // Row m as neighbour of the centres around it and, where it has centres, as centre.
  int64_t strided_runs(int64_t m, int64_t phase) {
    int64_t runs = 0;
    for (int64_t dy = -g_.reach_y; dy <= g_.reach_y; ++dy) {
      for (int64_t dx = -g_.reach_x; dx <= g_.reach_x; ++dx) {
        const int64_t plane = g_.neighbour(dy, dx) * part_.pitch;
        const int64_t back = phase - dx * g_.dilation;
        if (has_row(m - dy) && walk_.has_centres(m - dy) && back % g_.stride == 0) {
          const int64_t shift = back / g_.stride;
          runs_[runs++] = {coefficients_.row(m - dy) + plane + shift, walk_.centre(m - dy) + shift, 0, 0, 1};
        }
        if (phase == 0 && walk_.has_centres(m) && has_row(m + dy))
          runs_[runs++] = {coefficients_.row(m) + plane, walk_.neighbour(m + dy, dx), 0, 0, 1};
      }
    }
    return runs;
  }

  const Walk<T>& walk_;
  const Geometry& g_;
  const Part& part_;
  Ring<C> coefficients_;
  T* result_;
  Run<T, C>* runs_;
};

// Walks down every part, asks set(gradient, part, task, m, dy, dx, distances, room) for the coefficients of each pair,
// and writes the gradient. `room` is two strips for what set() converts.
//
// Pairs whose centres lie beside the part are visited too where they reach into it.
template <typename T, Step kStep, typename Set, typename Finish>
void walk_backward(const Geometry& g, const Tensor& embedding, int norm, bool distances, Threads threads,
                   const Tensor& result, const Set& set, const Finish& finish) {
  const int64_t lag = g.mirrored ? 0 : g.reach_y;  // a row is complete when the centres below it were visited
  const int64_t capacity = 2 * g.reach_y + 1 + lag, planes = g.stride * g.channels;
  const int64_t coefficient_rows = Gradient<T, kStep>::rows(g);
  const Cutting cutting(g, backward_elements(g), g.margin, sizeof(T));
  const int64_t pitch = cutting.pitch();
  const int64_t elements = pitch * (capacity * planes + coefficient_rows * g.count + g.channels + kGroup + 2);
  const int64_t run_bytes = Gradient<T, kStep>::most_runs(g) * static_cast<int64_t>(sizeof(Run<T, T>));
  const int64_t bytes = round_up(elements * static_cast<int64_t>(sizeof(T)) + run_bytes, 64);
  const Scratch scratch(bytes * threads);
  run_tasks(cutting.tasks(), threads, [&](int64_t task, int thread) {
    Part part;
    if (!cutting.part(task, part)) return;
    T* memory = reinterpret_cast<T*>(static_cast<char*>(scratch.data()) + thread * bytes);
    const auto take = [&](int64_t rows) {
      T* const taken = memory;
      memory += rows * pitch;
      return taken;
    };
    const Ring<T> ring(take(capacity * planes), capacity, planes, pitch);
    const Walk<T> walk{g, embedding, part, ring, take(kGroup)};
    T* const room = take(2);
    T* const sums = take(g.channels);
    auto* const coefficients = reinterpret_cast<Coefficient<T, kStep>*>(take(coefficient_rows * g.count));
    Gradient<T, kStep> gradient(walk, coefficients, sums, reinterpret_cast<Run<T, Coefficient<T, kStep>>*>(memory));
    const int64_t top = larger<int64_t>(part.rows.first - g.reach_y, 0);
    int64_t unpacked = larger<int64_t>(top - lag, 0);
    for (int64_t m = top; m < part.rows.end + lag; ++m) {
      for (; unpacked <= smaller(m + g.reach_y, part.class_rows - 1); ++unpacked) walk.unpack(unpacked);
      if (m < part.class_rows && walk.has_centres(m)) {
        const int64_t first_dy = g.mirrored ? larger<int64_t>(part.rows.first - m, 0) : -g.reach_y;
        visit_pairs(walk, m, norm, distances, first_dy, [&](int64_t dy, int64_t dx, const T* strip) {
          set(gradient, part, task, m, dy, dx, strip, room);
        });
      }
      if (m - lag >= part.rows.first) gradient.write(m - lag, result, finish);
    }
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
