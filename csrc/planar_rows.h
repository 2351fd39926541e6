// Two rows of a pass of the filter over planes: a vector is a run of pixels of one channel.
//
// A weight is loaded once for all channels, a neighbour is one load at any dilation, and no channel is padded. The two
// rows share the loads of the neighbours that both see.
#pragma once

#include "filter.h"

namespace crispseg::CRISPSEG_LEVEL {

// Channels whose sums, for two rows, stay in registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kPlanes = 12;
#else
constexpr int kPlanes = 6;
#endif

// Sums of a vector of pixels in each of two rows, for kC channels.
template <typename T, int kC>
struct PlaneSums {
  Vector<T> upper[kC] = {}, lower[kC] = {};

  // Adds a row of neighbours, `step` apart, to the upper sums, the lower ones or both.
  template <bool kUpper, bool kLower>
  CRISPSEG_INLINE void add(const T* from, int64_t step, const T* const* above, const T* const* below, int64_t i,
                           int64_t pitch, int64_t count) {
    for (int64_t n = 0; n < count; ++n, from += step) {
      Vector<T> a = {}, b = {};
      if constexpr (kUpper) a = load(above[n] + i);
      if constexpr (kLower) b = load(below[n] + i);
#pragma GCC unroll 12
      for (int c = 0; c < kC; ++c) {
        const Vector<T> neighbour = load(from + c * pitch);
        if constexpr (kUpper) upper[c] += a * neighbour;
        if constexpr (kLower) lower[c] += b * neighbour;
      }
    }
  }
};

// Two rows of a pass. Pointers are to the first plane of a row; planes are `pitch` apart.
template <typename T>
struct PlanarPair {
  const T* const* in;          // the rows of both windows, from reach_y above the upper row on
  int64_t first[2], last[2];   // which of them are in the window of the upper row, of the lower one; inside the image
  const T* const* weights[2];  // of each neighbour from row first[0], first[1] on
  const T* scales[2];
  T* out[2];
};

template <typename T, int kC>
void filter_pair(const Filter<T>& f, const PlanarPair<T>& pair, int64_t pitch, int64_t first, int64_t end, int64_t c) {
  const int64_t count = 2 * f.reach_x + 1, left = f.reach_x * f.dilation;
  for (int64_t i = first; i < end; i += kLanes<T>) {
    PlaneSums<T, kC> sums;
    const T *const *above = pair.weights[0], *const *below = pair.weights[1];
    const int64_t rows = larger(pair.last[0], pair.last[1]) + 1;
    for (int64_t r = smaller(pair.first[0], pair.first[1]); r < rows; ++r) {
      const T* const from = pair.in[r] + c * pitch + i - left;
      const bool in_upper = r >= pair.first[0] && r <= pair.last[0], in_lower = r >= pair.first[1] && r <= pair.last[1];
      if (in_upper && in_lower) {
        sums.template add<true, true>(from, f.dilation, above, below, i, pitch, count);
      } else if (in_upper) {
        sums.template add<true, false>(from, f.dilation, above, below, i, pitch, count);
      } else {
        sums.template add<false, true>(from, f.dilation, above, below, i, pitch, count);
      }
      if (in_upper) above += count;
      if (in_lower) below += count;
    }
    const Vector<T> upper = load(pair.scales[0] + i), lower = load(pair.scales[1] + i);
#pragma GCC unroll 12
    for (int p = 0; p < kC; ++p) {
      store<T>(pair.out[0] + (c + p) * pitch + i, sums.upper[p] * upper);
      store<T>(pair.out[1] + (c + p) * pitch + i, sums.lower[p] * lower);
    }
  }
}

template <typename T>
void filter_pair(const Filter<T>& f, const PlanarPair<T>& pair, int64_t pitch, int64_t first, int64_t end,
                 int64_t channels) {
  const int64_t groups = ceil_div(channels, int64_t{kPlanes});
  for (int64_t c = 0, group = 0; group < groups; ++group) {
    const int64_t count = (channels - c) / (groups - group);
    switch (count) {
#define CRISPSEG_CASE(n)                                                          \
  case n:                                                                         \
    if constexpr (n <= kPlanes) filter_pair<T, n>(f, pair, pitch, first, end, c); \
    break;
      CRISPSEG_CASE(1)
      CRISPSEG_CASE(2)
      CRISPSEG_CASE(3)
      CRISPSEG_CASE(4)
      CRISPSEG_CASE(5)
      CRISPSEG_CASE(6)
      CRISPSEG_CASE(7)
      CRISPSEG_CASE(8)
      CRISPSEG_CASE(9)
      CRISPSEG_CASE(10)
      CRISPSEG_CASE(11)
      CRISPSEG_CASE(12)
#undef CRISPSEG_CASE
      default:
        break;
    }
    c += count;
  }
}

}  // namespace crispseg::CRISPSEG_LEVEL
