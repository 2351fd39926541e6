// The gradient of the filter to its weights, of which each is a dot product of scores and gradients.
#pragma once

#include "filter.h"

namespace crispseg::CRISPSEG_LEVEL {

// The gradient to the weights, summed over passes: Σ g · (neighbour's scores before - own scores after the pass), where
// g was divided by the sum of the weights; without that sum only the first term.
template <typename T>
struct WeightGradient {
  const Filter<T>& f;
  const T* const* gradients;  // after each pass
  const T* const* before;     // scores before each pass
  const T* const* after;
  int64_t passes;

  // For kP pixels, a dilation apart, and kCount neighbours, of which pixel p sees place p + n as its n-th: the sums
  // over passes and channels of gradient times scores. Gradients start `here`, places `there`.
  template <int kP, int kCount>
  void dots(int64_t here, int64_t there, T* to) const {
    const int64_t place = f.dilation * f.padded;
    Narrow<T> v[kP][kCount] = {};
    for (int64_t pass = 0; pass < passes; ++pass) {
      const T* gradient = gradients[pass] + here;
      const T* scores = before[pass] + there;
      for (int64_t c = 0; c < f.padded; c += kNarrowLanes<T>) {
        Narrow<T> g[kP];
#pragma GCC unroll 4
        for (int p = 0; p < kP; ++p) g[p] = load<T, kNarrowBytes>(gradient + p * place + c);
#pragma GCC unroll 16
        for (int q = 0; q < kP + kCount - 1; ++q) {
          const Narrow<T> s = load<T, kNarrowBytes>(scores + q * place + c);
#pragma GCC unroll 4
          for (int p = 0; p < kP; ++p)
            if (q >= p && q - p < kCount) v[p][q - p] += g[p] * s;
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kP; ++p)
#pragma GCC unroll 16
      for (int n = 0; n < kCount; ++n) to[p * f.dilation * f.count + n] = sum<T, kNarrowBytes>(v[p][n]);
  }

  T own(int64_t y, int64_t x) const {
    const int64_t here = (y * f.width + x) * f.padded;
    Narrow<T> v = {};
    for (int64_t pass = 0; pass < passes; ++pass)
      for (int64_t c = 0; c < f.padded; c += kNarrowLanes<T>)
        v += load<T, kNarrowBytes>(gradients[pass] + here + c) * load<T, kNarrowBytes>(after[pass] + here + c);
    return sum<T, kNarrowBytes>(v);
  }

  // Neighbours `first` to `last` in row dy of the window, for the pixels x, x + dilation, ... of row y.
  template <int kP>
  void put(int64_t y, int64_t x, int64_t dy, int64_t first, int64_t last, T* block) const {
    const int64_t here = (y * f.width + x) * f.padded;
    for (int64_t dx = first; dx <= last;) {
      const int64_t there = ((y + dy * f.dilation) * f.width + x + dx * f.dilation) * f.padded;
      const int64_t left = last - dx + 1;
      T* const to = block + f.neighbour(dy, dx);
      if (left >= 9) {
        dots<kP, 9>(here, there, to);
        dx += 9;
      } else if (left >= 3) {
        dots<kP, 3>(here, there, to);
        dx += 3;
      } else {
        dots<kP, 1>(here, there, to);
        dx += 1;
      }
    }
  }

  // Row dy of the window for the pixels of a strip, into a block of f.count values for each.
  void put_row(const Strip& strip, int64_t dy, T* block) const {
    const auto [y, first, end] = strip;
    const auto at = [&](int64_t x) { return block + (x - first) * f.count; };
    const auto one = [&](int64_t x) {
      put<1>(y, x, dy, f.first_step(x, f.reach_x), f.last_step(x, f.reach_x, f.width), at(x));
    };
    const int64_t span = kTogether * f.dilation;
    const int64_t left = smaller(larger(first, f.half * f.dilation), end),
                  right = smaller(end, f.width - f.half * f.dilation);
    int64_t x = first;
    for (; x < left; ++x) one(x);
    for (; x + span <= right; x += span)
      for (int64_t r = 0; r < f.dilation; ++r) put<kTogether>(y, x + r, dy, -f.half, f.half, at(x + r));
    for (; x < end; ++x) one(x);
  }

  // Pixels that share the loads of their neighbours: as many as there are registers for.
  static constexpr int kTogether = kVectorBytes == 64 ? 2 : 1;
};

}  // namespace crispseg::CRISPSEG_LEVEL
