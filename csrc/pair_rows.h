// Rows of values of pairs next to a walk: for each row in reach, one plane for each neighbour.
//
// The walk meets a pair once; here its value stands at both its pixels. A row is complete when the walk has left it,
// and only then goes out, or is gathered: in the order of memory, whatever that is outside.
#pragma once

#include "pairs.h"

namespace crispseg::CRISPSEG_LEVEL {

template <typename C>
CRISPSEG_INLINE void fill_strip(C* strip, int64_t first, int64_t end, C value) {
  for (int64_t i = first; i < end; ++i) strip[i] = value;
}

// Narrowed where C is narrower than what was made.
template <typename C, typename V>
CRISPSEG_INLINE void store_as(C* to, V v) {
  constexpr int kBytes = sizeof(V) / sizeof(v[0]) * sizeof(C);
  store<C, kBytes>(to, __builtin_convertvector(v, Vector<C, kBytes>));
}

template <typename C>
class PairRows {
 public:
  // `memory` is for `rows` rows of g.count planes; `outside` is the value where a neighbour is outside the image.
  PairRows(const Geometry& g, const Part& part, C* memory, int64_t rows, C outside)
      : g_(g), part_(part), ring_(memory, rows, g.count, part.pitch), outside_(outside) {}

  // The plane of row m for neighbour (dy, dx); element part.at(x) is that of the centre in column x.
  C* plane(int64_t m, int64_t dy, int64_t dx) const { return ring_.row(m) + g_.neighbour(dy, dx) * part_.pitch; }

  // Values of the pair (m, dy, dx) from make(i), a vector for columns part.columns.first + i and on; `outside` where
  // the neighbour is.
  template <typename Make>
  void set(int64_t m, int64_t dy, int64_t dx, const Make& make) const {
    const Range range = inside(g_, part_, dx);
    const int64_t base = part_.at(part_.columns.first), length = part_.columns.end - part_.columns.first;
    C* const to = plane(m, dy, dx) + base;
    using Made = decltype(make(0));
    constexpr int64_t kStep = sizeof(Made) / sizeof(make(0)[0]);
    for (int64_t i = 0; i < length; i += kStep) store_as<C>(to + i, make(i));
    const bool none = range.first == range.end;
    fill_strip(to, -g_.margin, none ? length : range.first - part_.columns.first, outside_);
    fill_strip(to, none ? length : range.end - part_.columns.first, length + g_.margin, outside_);
    if (!g_.mirrored || (dy == 0 && dx == 0)) return;
    const int64_t shift = dx * g_.dilation;
    C* const back = plane(m + dy, -dy, -dx) + base;
    const int64_t first = smaller(larger<int64_t>(shift, 0), length),
                  end = larger<int64_t>(length + smaller<int64_t>(shift, 0), first);
    fill_strip(back, 0, first, outside_);
    for (int64_t i = first; i < end; ++i) back[i] = to[i - shift];
    fill_strip(back, end, length, outside_);
  }

  // A pixel with itself.
  void set_centre(int64_t m, C value) const {
    fill_strip(plane(m, 0, 0), part_.at(part_.columns.first) - g_.margin, part_.at(part_.columns.end) + g_.margin,
               value);
  }

  // Sets the planes of row m that no pair reaches.
  void complete(int64_t m) const {
    for (int64_t dy = -g_.half; dy <= g_.half; ++dy) {
      const bool row_inside = m + dy >= 0 && m + dy < part_.class_rows;
      for (int64_t dx = -g_.half; dx <= g_.half; ++dx)
        if (!row_inside || dx < -g_.reach_x || dx > g_.reach_x)
          fill_strip(plane(m, dy, dx), part_.at(part_.tile.first), part_.at(part_.tile.end), outside_);
    }
  }

  // Writes row m of the tile to a (N, K, H', W') tensor.
  void pack(int64_t m, const Tensor& to) const {
    store_planes(to, offset(m, part_.tile.first, to), to.stride[3], part_.tile.end - part_.tile.first, g_.count,
                 ring_.row(m) + part_.at(part_.tile.first), part_.pitch);
  }

  // Reads row m of a tensor, as far as pairs of the part reach.
  void unpack(int64_t m, const Tensor& from) const {
    const int64_t first = larger<int64_t>(part_.columns.first - g_.margin, 0);
    const int64_t end = smaller(part_.columns.end + g_.margin, g_.out_width);
    load_planes(from, offset(m, first, from), from.stride[3], end - first, g_.count, ring_.row(m) + part_.at(first),
                part_.pitch);
  }

  // Values of the pair (m, dy, dx) by column from part.columns.first on; where pairs are mirrored, their sum over both
  // sides, in `room`.
  const C* both(int64_t m, int64_t dy, int64_t dx, C* room) const {
    const Range range = inside(g_, part_, dx);
    const int64_t base = part_.at(part_.columns.first);
    const C* const here = plane(m, dy, dx) + base;
    if (!g_.mirrored || (dy == 0 && dx == 0)) return here;
    const C* const there = plane(m + dy, -dy, -dx) + base + dx * g_.dilation;
    for (int64_t i = range.first - part_.columns.first; i < range.end - part_.columns.first; ++i)
      room[i] = here[i] + there[i];
    return room;
  }

 private:
  int64_t offset(int64_t m, int64_t column, const Tensor& tensor) const {
    const int64_t row = (part_.residue + m * g_.dilation) / g_.stride;
    return part_.image * tensor.stride[0] + row * tensor.stride[2] + column * tensor.stride[3];
  }

  const Geometry& g_;
  const Part& part_;
  Ring<C> ring_;
  C outside_;
};

// Rows of a tensor of pairs that must be at hand while a row of centres is visited.
inline int64_t map_rows(const Geometry& g) { return g.mirrored ? g.reach_y + 1 : 1; }

// Writes a value of every pair to a (N, K, H', W') tensor: value(distances), a vector. finish(part, rows, m) may
// change a row before it goes out.
template <typename T, typename Value, typename Finish>
void write_pairs(const Geometry& g, const Features& features, int norm, Threads threads, T outside,
                 const Tensor& result, const Value& value, const Finish& finish) {
  const int64_t rows = map_rows(g);
  const Cutting cutting(g, forward_rows(g) * g.channels * g.stride + rows * g.count, g.mirrored ? g.margin : 0,
                        sizeof(T));
  const int64_t elements = round_up(Ring<T>::elements(rows, g.count, cutting.pitch()), 64);
  const Scratch scratch(elements * threads * static_cast<int64_t>(sizeof(T)));
  const auto rows_of = [&](const Place& place) {
    return PairRows<T>(g, place.part, static_cast<T*>(scratch.data()) + place.thread * elements, rows, outside);
  };
  walk_forward<T>(
      g, cutting, features, norm, threads, true,
      [&](const Place& place, int64_t m, int64_t dy, int64_t dx, const T* distances) {
        rows_of(place).set(m, dy, dx, [&](int64_t i) { return value(load(distances + i)); });
      },
      [&](const Place& place, int64_t m) {
        const PairRows<T> map = rows_of(place);
        map.complete(m);
        finish(place.part, map, m);
        map.pack(m, result);
      });
}

}  // namespace crispseg::CRISPSEG_LEVEL
