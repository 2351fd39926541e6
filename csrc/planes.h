// A (N, K, H', W') tensor next to a walk: one plane for each neighbour.
#pragma once

#include "pairs.h"

namespace crispseg::CRISPSEG_LEVEL {

template <typename T>
class Planes {
 public:
  Planes(const Geometry& g, const Tensor& tensor) : g_(g), tensor_(tensor) {}

  // Writes a strip of values of the pair (m, dy, dx), for both its sides where pairs are mirrored.
  void store_pair(const Part& part, int64_t m, int64_t dy, int64_t dx, const T* strip) const {
    const Range range = inside(g_, part, dx);
    const int64_t count = range.end - range.first;
    strip += range.first - part.columns.first;
    store_strip(tensor_, offset(part, m, dy, dx, range.first), tensor_.stride[3], count, strip);
    if (g_.mirrored && (dy != 0 || dx != 0))
      store_strip(tensor_, offset(part, m + dy, -dy, -dx, range.first + dx * g_.dilation), tensor_.stride[3], count, strip);
  }

  // The strip of the pair (m, dy, dx); where pairs are mirrored, the sum over both sides. `room` is two strips.
  const T* load_pair(const Part& part, int64_t m, int64_t dy, int64_t dx, T* room) const {
    const Range range = inside(g_, part, dx);
    const int64_t count = range.end - range.first, skipped = range.first - part.columns.first;
    load_strip(tensor_, offset(part, m, dy, dx, range.first), tensor_.stride[3], count, room + skipped);
    if (g_.mirrored && (dy != 0 || dx != 0)) {
      const int64_t back = offset(part, m + dy, -dy, -dx, range.first + dx * g_.dilation);
      const T* other = ::crispseg::CRISPSEG_LEVEL::strip(tensor_, back, tensor_.stride[3], count, room + part.pitch);
      for (int64_t i = 0; i < count; ++i) room[skipped + i] += other[i];
    }
    return room;
  }

  // Writes `value` where the neighbours of row m are outside the image.
  void fill_outside(const Part& part, int64_t m, T value) const {
    for (int64_t dy = -g_.half; dy <= g_.half; ++dy) {
      const bool row_inside = m + dy >= 0 && m + dy < part.class_rows;
      for (int64_t dx = -g_.half; dx <= g_.half; ++dx) {
        const bool reached = row_inside && dx >= -g_.reach_x && dx <= g_.reach_x;
        const Range range = reached ? inside(g_, part, dx) : Range{part.tile.first, part.tile.first};
        fill(part, m, dy, dx, {part.tile.first, range.first}, value);
        fill(part, m, dy, dx, {range.end, part.tile.end}, value);
      }
    }
  }

 private:
  // Where the value of neighbour (dy, dx) of the centre in row m, at `column`, lies.
  int64_t offset(const Part& part, int64_t m, int64_t dy, int64_t dx, int64_t column) const {
    const int64_t row = (part.residue + m * g_.dilation) / g_.stride;
    return part.image * tensor_.stride[0] + g_.neighbour(dy, dx) * tensor_.stride[1] + row * tensor_.stride[2] +
           column * tensor_.stride[3];
  }

  void fill(const Part& part, int64_t m, int64_t dy, int64_t dx, Range columns, T value) const {
    for (int64_t x = columns.first; x < columns.end; ++x)
      store_strip(tensor_, offset(part, m, dy, dx, x), 1, 1, &value);
  }

  const Geometry& g_;
  const Tensor& tensor_;
};

}  // namespace crispseg::CRISPSEG_LEVEL
