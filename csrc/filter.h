// One pass of the filter over rows of an image, and of its transpose.
//
// Scores travel channels-last and padded: then a neighbour is a few loads, a weight is one broadcast, and any number of
// channels is the same code. Neighbouring pixels share the loads of their neighbours. Weights are read where they lie
// when a pixel's K weights are side by side, as `affinity_weights` leaves them; other layouts are brought into this one
// a block of pixels at a time.
#pragma once

#include "taps.h"

namespace crispseg::CRISPSEG_LEVEL {

// Pixels whose sums are kept in registers together, and vectors of channels for each. Narrow vectors: they pad channels
// less, and a broadcast weight serves three of them.
constexpr int kPixels = 4;
constexpr int kVectors = 3;

// Sums of kP pixels, kV vectors of channels each.
template <typename T, int kP, int kV>
struct Sums {
  Narrow<T> v[kP][kV] = {};

  // Adds one neighbour, at `from`, to pixels kFirst to kLast: weights are `along` apart from pixel to pixel.
  template <int kFirst, int kLast>
  CRISPSEG_INLINE void add(const T* from, const T* weight, int64_t along) {
    Narrow<T> neighbour[kV];
#pragma GCC unroll 4
    for (int c = 0; c < kV; ++c) neighbour[c] = load<T, kNarrowBytes>(from + c * kNarrowLanes<T>);
#pragma GCC unroll 4
    for (int p = kFirst; p <= kLast; ++p) {
      const Narrow<T> w = fill<T, kNarrowBytes>(weight[p * along]);
#pragma GCC unroll 4
      for (int c = 0; c < kV; ++c) v[p][c] += w * neighbour[c];
    }
  }

  CRISPSEG_INLINE void put(int p, T scale, T* to) const {
#pragma GCC unroll 4
    for (int c = 0; c < kV; ++c) store<T, kNarrowBytes>(to + c * kNarrowLanes<T>, v[p][c] * scale);
  }
};

// A row of the window for four pixels, `dilation` apart: each of its size + 3 places is loaded once, and serves the
// pixels that see it. Pixel p sees place q as its neighbour q - p.
template <typename S, typename T>
CRISPSEG_INLINE void add_row(S& sums, const T* from, int64_t place, const T* weight, int64_t step, int64_t along,
                             int64_t size) {
  static_assert(kPixels == 4, "the ramps below are written for four pixels");
  sums.template add<0, 0>(from, weight, along);
  sums.template add<0, 1>(from + place, weight + step, along);
  sums.template add<0, 2>(from + 2 * place, weight + 2 * step, along);
  for (int64_t q = 3; q < size; ++q) sums.template add<0, 3>(from + q * place, weight + q * step, along);
  sums.template add<1, 3>(from + size * place, weight + size * step, along);
  sums.template add<2, 3>(from + (size + 1) * place, weight + (size + 1) * step, along);
  sums.template add<3, 3>(from + (size + 2) * place, weight + (size + 2) * step, along);
}

// The rows that a row of a pass is made of, and where it goes; each pointer is to column 0.
template <typename T>
struct Lines {
  const T* const* in;  // those of the window, dilation apart, from -f.reach_y on; null outside the image
  const T* scale;
  T* out;
};

// A strip of one pass, from channel c on: out = scale · Σ weight · in.
template <typename T, int kV>
void filter_columns(const Filter<T>& f, const Taps<T>& taps, const Lines<T>& lines, const Strip& strip, int64_t c) {
  const auto [y, first, end] = strip;
  const int64_t first_dy = f.first_step(y, f.reach_y), last_dy = f.last_step(y, f.reach_y, f.height);
  const int64_t place = f.dilation * f.padded, step = taps.next(f), along = taps.along(f);
  const auto pixel = [&](int64_t x) {
    Sums<T, 1, kV> sums;
    const int64_t first_dx = f.first_step(x, f.reach_x), last_dx = f.last_step(x, f.reach_x, f.width);
    for (int64_t dy = first_dy; dy <= last_dy; ++dy) {
      const T* from = lines.in[dy + f.reach_y] + (x + first_dx * f.dilation) * f.padded + c;
      const T* weight = taps.at(f, y, x, dy, first_dx);
      for (int64_t n = 0; n <= last_dx - first_dx; ++n) sums.template add<0, 0>(from + n * place, weight + n * step, 0);
    }
    sums.put(0, lines.scale[x], lines.out + x * f.padded + c);
  };
  const auto group = [&](int64_t x) {
    if (c == 0)
      for (int p = 0; p < kPixels; ++p) taps.ask_ahead(f, y, x + p * f.dilation);
    Sums<T, kPixels, kV> sums;
    for (int64_t dy = first_dy; dy <= last_dy; ++dy) {
      const T* from = lines.in[dy + f.reach_y] + (x - f.half * f.dilation) * f.padded + c;
      add_row(sums, from, place, taps.at(f, y, x, dy, -f.half), step, along, f.size);
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
      const int64_t at = x + p * f.dilation;
      sums.put(p, lines.scale[at], lines.out + at * f.padded + c);
    }
  };
  // Pixels whose whole window row is inside the image go in groups; the others, and what is left, one by one.
  const int64_t span = kPixels * f.dilation;
  const int64_t left = larger(first, f.half * f.dilation), right = smaller(end, f.width - f.half * f.dilation);
  const int64_t groups = f.size >= 3 ? larger<int64_t>(right - left, 0) / span : 0;
  for (int64_t x = first; x < (groups > 0 ? left : first); ++x) pixel(x);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t r = 0; r < f.dilation; ++r) group(left + g * span + r);
  for (int64_t x = groups > 0 ? left + groups * span : first; x < end; ++x) pixel(x);
}

template <typename T>
void filter_channels(const Filter<T>& f, const Taps<T>& taps, const Lines<T>& lines, const Strip& strip) {
  for (int64_t c = 0; c < f.padded; c += kVectors * kNarrowLanes<T>) {
    const int64_t vectors = smaller<int64_t>(kVectors, (f.padded - c) / kNarrowLanes<T>);
    if (vectors == 3) filter_columns<T, 3>(f, taps, lines, strip, c);
    if (vectors == 2) filter_columns<T, 2>(f, taps, lines, strip, c);
    if (vectors == 1) filter_columns<T, 1>(f, taps, lines, strip, c);
  }
}

// Sums of the weights that point inside, and what a pass multiplies with: 1 over the sum, 1 where that is 0. Without
// `normalize` the sums are 0, which divides nothing. Both are rows, from column 0 on.
template <typename T>
struct Scales {
  T* sums;
  T* scale;
  bool normalize;

  void fill(const Filter<T>& f, const Taps<T>& taps, const Strip& strip) const {
    const auto [y, first, end] = strip;
    const bool whole_rows = f.whole_window(y, f.reach_y, f.height);
    for (int64_t x = first; x < end; ++x) {
      const bool whole = whole_rows && f.whole_window(x, f.reach_x, f.width);
      sums[x] = !normalize ? 0
                : whole    ? sum_run(taps.at(f, y, x, -f.half, -f.half), f.count)
                           : sum_inside(f, taps, y, x);
    }
    invert(sums + first, end - first, scale + first);
  }

  static void invert(const T* sums, int64_t count, T* scale) {
    for (int64_t i = 0; i < count; ++i) scale[i] = sums[i] == 0 ? 1 : 1 / sums[i];
  }

 private:
  static T sum_inside(const Filter<T>& f, const Taps<T>& taps, int64_t y, int64_t x) {
    const int64_t first_dx = f.first_step(x, f.reach_x), last_dx = f.last_step(x, f.reach_x, f.width);
    T total = 0;
    for (int64_t dy = f.first_step(y, f.reach_y); dy <= f.last_step(y, f.reach_y, f.height); ++dy)
      total += sum_run(taps.at(f, y, x, dy, first_dx), last_dx - first_dx + 1);
    return total;
  }
};

// Some columns of a row of one pass. With `fresh`, their scales are computed on the way. Weights are asked for `ahead`
// rows before their use.
template <typename T>
void filter_strip(const Filter<T>& f, const Weights& weights, const Block<T>& block, const Lines<T>& lines,
                  const Strip& strip, const Scales<T>* fresh, int64_t ahead) {
  Taps<T> taps;
  if (!lie_as_taps(weights, taps)) taps = block.fetch(f, weights, strip);
  taps.ahead = ahead;
  if (fresh != nullptr) fresh->fill(f, taps, strip);
  filter_channels(f, taps, lines, strip);
}

// The same from one whole map to another.
template <typename T>
void filter_strip(const Filter<T>& f, const Weights& weights, const Block<T>& block, const T* in, const Strip& strip,
                  const Scales<T>* fresh, const T* scale, T* out) {
  for (int64_t dy = f.first_step(strip.y, f.reach_y); dy <= f.last_step(strip.y, f.reach_y, f.height); ++dy)
    block.lines[dy + f.reach_y] = in + (strip.y + dy * f.dilation) * f.row_elements();
  const Lines<T> lines{block.lines, scale + strip.y * f.width, out + strip.y * f.row_elements()};
  filter_strip(f, weights, block, lines, strip, fresh, kAhead + (weights.transposed ? f.half * f.dilation : 0));
}

// Runs run(strip, thread) on every strip of an image. Strips that lie below each other are one task: what they share of
// the rows around them, a window high, stays in a core's cache.
template <typename T, typename Run>
void by_strips(const Filter<T>& f, Threads threads, const Run& run) {
  constexpr int64_t kRows = 32;
  const int64_t tiles = ceil_div(f.width, kColumns);
  run_tasks(tiles * ceil_div(f.height, kRows), threads, [&](int64_t task, int thread) {
    const int64_t first = task % tiles * kColumns, top = task / tiles * kRows;
    for (int64_t y = top; y < smaller(f.height, top + kRows); ++y)
      run(Strip{y, first, smaller(f.width, first + kColumns)}, thread);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
