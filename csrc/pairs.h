// The pairs of an image: every pixel with its neighbours, their distances, and the gradients that flow back.
//
// All operations on distances are this walk with something else done at each pair. It goes down the image a row at a
// time, with the rows in reach kept in a ring, unpacked to floats, one plane per channel: then a vector of neighbours
// is one load, whatever the dtype and layout outside. Three things make the layout dense whatever the options:
//
// - dilation d: rows that differ by a multiple of d form a class; a class is walked on its own, as a dense image.
// - stride s: a row is split by column modulo s into s phases; centres are phase 0, and a neighbour of all centres is a
//   shift of one phase.
// - at stride 1 a pair is met from both sides, d(i, j) = d(j, i): only half of the window, below the centre, is walked.
//
// "Column" below counts centres: column x of phase p is pixel column s · x + p.
#pragma once

#include "geometry.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

// One thread's memory for a walk: the ring of the features, and a few strips.
template <typename T>
struct Walk {
  const Geometry& g;
  const Features& features;
  const Part& part;
  Ring<T> ring;
  T* strips;

  const T* centre(int64_t m) const { return ring.row(m); }
  const T* neighbour(int64_t m, int64_t dx) const {
    const int64_t offset = dx * g.dilation, shift = floor_div(offset, g.stride);
    return ring.row(m) + (offset - shift * g.stride) * g.channels * part.pitch + shift;
  }

  bool has_centres(int64_t m) const { return (part.residue + m * g.dilation) % g.stride == 0; }

  void unpack(int64_t m) const {
    const int64_t row = part.residue + m * g.dilation;
    for (int64_t phase = 0; phase < g.stride; ++phase) {
      T* planes = ring.row(m) + phase * g.channels * part.pitch;
      const int64_t wanted = part.columns.end + g.margin;
      const int64_t first = larger<int64_t>(part.origin, 0);
      const int64_t end = smaller(wanted, ceil_div(g.width - phase, g.stride));
      for (int64_t c = 0; c < g.channels; ++c) {
        T* plane = planes + c * part.pitch;
        for (int64_t i = 0; i < part.at(first); ++i) plane[i] = 0;
        for (int64_t i = part.at(larger(first, end)); i < part.pitch; ++i) plane[i] = 0;
      }
      if (first >= end) continue;
      T* to = planes + part.at(first);
      unpack_map(features.embedding, row, first * g.stride + phase, end - first, to);
      if (features.scores == nullptr) continue;
      to += features.embedding.shape[1] * part.pitch;
      unpack_map(*features.scores, row, first * g.stride + phase, end - first, to);
      const T weight = static_cast<T>(features.score_weight);
      for (int64_t c = 0; c < features.scores->shape[1]; ++c)
        for (int64_t i = 0; i < end - first; ++i) to[c * part.pitch + i] *= weight;
    }
  }

 private:
  void unpack_map(const Tensor& map, int64_t row, int64_t column, int64_t count, T* to) const {
    const int64_t offset = part.image * map.stride[0] + row * map.stride[2] + column * map.stride[3];
    if (row + g.dilation < g.height && map.stride[3] == 1)
      for (int64_t c = 0; c < map.shape[1]; ++c)
        ask_for(map, offset + g.dilation * map.stride[2] + c * map.stride[1], g.stride * count);
    load_planes(map, offset, g.stride * map.stride[3], count, map.shape[1], to, part.pitch);
  }
};

constexpr int kNorm1 = 1;

// Neighbours whose distances are summed at once: as many as leave registers for the centre and the difference. With 32
// registers, half of a window of 5 by 5 with its centre.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kGroup = 13;
#else
constexpr int kGroup = 10;
#endif

// strips[g · pitch + i] = distance of centre[i] to others[g][i]. Sums stay in registers over all channels.
template <typename T, int kNorm, int kCount>
void distance_strips(const T* centre, const T* const* others, int64_t channels, int64_t pitch, int64_t length,
                     T* strips) {
  for (int64_t i = 0; i < length; i += kLanes<T>) {
    Vector<T> sums[kCount] = {};
    int64_t at = i;
    for (int64_t c = 0; c < channels; ++c, at += pitch) {
      const Vector<T> here = load(centre + at);
#pragma GCC unroll 16
      for (int n = 0; n < kCount; ++n) {
        const Vector<T> difference = here - load(others[n] + at);
        sums[n] += kNorm == kNorm1 ? absolute<T>(difference) : difference * difference;
      }
    }
#pragma GCC unroll 16
    for (int n = 0; n < kCount; ++n) store<T>(strips + n * pitch + i, kNorm == kNorm1 ? sums[n] : square_root(sums[n]));
  }
}

template <typename T, int kNorm>
void distance_strips(int count, const T* centre, const T* const* others, int64_t channels, int64_t pitch,
                     int64_t length, T* strips) {
  switch (count) {
#define CRISPSEG_CASE(n)                                                                                      \
  case n:                                                                                                     \
    if constexpr (n <= kGroup) distance_strips<T, kNorm, n>(centre, others, channels, pitch, length, strips); \
    return;
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
    CRISPSEG_CASE(13)
#undef CRISPSEG_CASE
    default:
      return;
  }
}

// Visits every pair whose centre is in row m of the part: visit(dy, dx, distances), a strip over part.columns.
//
// Without `wanted` the distances are not computed, and the strip holds nothing.
template <typename T, typename Visit>
void visit_pairs(const Walk<T>& walk, int64_t m, int norm, bool wanted, int64_t first_dy, Visit visit) {
  const Geometry& g = walk.g;
  const Part& part = walk.part;
  const int64_t length = part.columns.end - part.columns.first, base = part.at(part.columns.first);
  first_dy = larger(first_dy, -m);
  const int64_t last_dy = smaller(g.reach_y, part.class_rows - 1 - m);
  if (first_dy > last_dy) return;
  // Neighbours in row-major order, by their place among those of whole rows from first_dy on.
  const int64_t row = 2 * g.reach_x + 1, first = g.mirrored && first_dy == 0 ? g.reach_x : 0;
  const int64_t end = (last_dy - first_dy + 1) * row, groups = ceil_div(end - first, int64_t{kGroup});
  for (int64_t n = first, left = groups; left > 0; --left) {
    const int count = static_cast<int>(ceil_div(end - n, left));
    const auto dy_of = [=](int64_t i) { return first_dy + (n + i) / row; };
    const auto dx_of = [=](int64_t i) { return (n + i) % row - g.reach_x; };
    if (wanted) {
      const T* others[kGroup];
      for (int i = 0; i < count; ++i) others[i] = walk.neighbour(m + dy_of(i), dx_of(i)) + base;
      const T* centre = walk.centre(m) + base;
      if (norm == kNorm1) {
        distance_strips<T, 1>(count, centre, others, g.channels, part.pitch, length, walk.strips);
      } else {
        distance_strips<T, 2>(count, centre, others, g.channels, part.pitch, length, walk.strips);
      }
    }
    for (int i = 0; i < count; ++i) visit(dy_of(i), dx_of(i), walk.strips + i * part.pitch);
    n += count;
  }
}

// Where in a walk one is.
struct Place {
  const Part& part;
  int64_t task;
  int thread;
};

// Walks down every part and visits each pair whose centre lies in it, once: visit(place, m, dy, dx, distances). Then
// end(place, m) says that all pairs with centres in row m were visited.
//
// With `complete`, pairs that are mirrored into the part from rows above are visited too; those from columns beside it
// are, where the cutting has an extension. Then at the end of a row all its pairs were visited, from either side.
template <typename T, typename Visit, typename End>
void walk_forward(const Geometry& g, const Cutting& cutting, const Features& features, int norm, Threads threads,
                  bool complete, const Visit& visit, const End& end) {
  const int64_t above = g.mirrored ? 0 : g.reach_y;
  const int64_t capacity = forward_rows(g), planes = g.stride * g.channels;
  const int64_t ring_elements = Ring<T>::elements(capacity, planes, cutting.pitch());
  const int64_t elements = round_up(ring_elements + kGroup * cutting.pitch(), 64);
  const Scratch scratch(elements * threads * static_cast<int64_t>(sizeof(T)));
  run_tasks(cutting.tasks(), threads, [&](int64_t task, int thread) {
    Part part;
    if (!cutting.part(task, part)) return;
    const Place place{part, task, thread};
    T* memory = static_cast<T*>(scratch.data()) + thread * elements;
    const Walk<T> walk{g, features, part, Ring<T>(memory, capacity, planes, part.pitch), memory + ring_elements};
    const int64_t top = larger<int64_t>(part.rows.first - (complete && g.mirrored ? g.reach_y : 0), 0);
    int64_t unpacked = larger<int64_t>(top - above, 0);
    for (int64_t m = top; m < part.rows.end; ++m) {
      if (!walk.has_centres(m)) continue;
      unpacked = larger(unpacked, m - above);
      for (; unpacked <= smaller(m + g.reach_y, part.class_rows - 1); ++unpacked) walk.unpack(unpacked);
      visit_pairs(walk, m, norm, true, g.mirrored ? larger<int64_t>(part.rows.first - m, 0) : -g.reach_y,
                  [&](int64_t dy, int64_t dx, T* distances) { visit(place, m, dy, dx, distances); });
      if (m >= part.rows.first) end(place, m);
    }
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
