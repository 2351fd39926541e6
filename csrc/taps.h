// The geometry of the filter, and the weights of its pixels ("taps") as its passes read them.
//
// Weights are read where they lie when a pixel's K weights are side by side; other layouts are brought into this one a
// block of pixels at a time.
#pragma once

#include "rows.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

template <typename T>
struct Filter {
  int64_t batch, channels, height, width, padded;
  int64_t size, count, dilation, half, reach_y, reach_x;

  // `channels_with_padding` is 0 for the least.
  Filter(const Tensor& scores, const Window& window, int64_t channels_with_padding)
      : batch(scores.shape[0]),
        channels(scores.shape[1]),
        height(scores.shape[2]),
        width(scores.shape[3]),
        padded(channels_with_padding > 0 ? channels_with_padding : round_up(scores.shape[1], kNarrowLanes<T>)),
        size(window.size),
        count(window.size * window.size),
        dilation(window.dilation),
        half(window.size / 2),
        reach_y(height > 0 ? smaller(half, (height - 1) / dilation) : 0),
        reach_x(width > 0 ? smaller(half, (width - 1) / dilation) : 0) {}

  bool empty() const { return batch == 0 || channels == 0 || height == 0 || width == 0; }
  int64_t pixels() const { return height * width; }
  int64_t map_elements() const { return pixels() * padded; }
  int64_t row_elements() const { return width * padded; }
  int64_t neighbour(int64_t dy, int64_t dx) const { return (dy + half) * size + dx + half; }

  // Steps of the window along an axis that stay inside the image.
  int64_t first_step(int64_t at, int64_t reach) const { return larger(-reach, -(at / dilation)); }
  int64_t last_step(int64_t at, int64_t reach, int64_t extent) const {
    return smaller(reach, (extent - 1 - at) / dilation);
  }
  bool whole_window(int64_t at, int64_t reach, int64_t extent) const {
    return first_step(at, reach) == -half && last_step(at, reach, extent) == half;
  }
};

// Columns of a row that are filtered together, `first` to `end`.
struct Strip {
  int64_t y, first, end;
};

constexpr int64_t kColumns = 64;

// The weights of one image as the filter, or its transpose, takes them.
//
// Forward, a pixel takes from its neighbour with its own weight for it. Transposed, it takes what each neighbour gave
// it: with the neighbour's weight for the pixel, which is the one of the opposite offset, at the neighbour's place.
struct Weights {
  const Tensor& tensor;
  int64_t image;
  bool transposed;

  // Offset of the weight of the pixel at (y, x) for the neighbour (dy, dx).
  template <typename T>
  int64_t at(const Filter<T>& f, int64_t y, int64_t x, int64_t dy, int64_t dx) const {
    if (transposed) y += dy * f.dilation, x += dx * f.dilation, dy = -dy, dx = -dx;
    return image * tensor.stride[0] + f.neighbour(dy, dx) * tensor.stride[1] + y * tensor.stride[2] +
           x * tensor.stride[3];
  }
};

// How far before their use rows are asked for: a row of a strip takes as long as some trips to memory.
constexpr int64_t kAhead = 2;

// Weights with the neighbours of a pixel side by side.
template <typename T>
struct Taps {
  const T* data;
  int64_t row, pixel;  // elements from one row, or pixel, to the next
  bool transposed;
  int64_t ahead = 0;  // how many rows on are the weights that are asked for; 0 for none

  const T* at(const Filter<T>& f, int64_t y, int64_t x, int64_t dy, int64_t dx) const {
    if (!transposed) return data + y * row + x * pixel + f.neighbour(dy, dx);
    return data + (y + dy * f.dilation) * row + (x + dx * f.dilation) * pixel + f.neighbour(-dy, -dx);
  }
  // Asks for the weights of the pixel in column x that a strip below will be the first to need.
  CRISPSEG_INLINE void ask_ahead(const Filter<T>& f, int64_t y, int64_t x) const {
    if (ahead > 0 && row != 0 && y + ahead < f.height) ask_for_run(data + (y + ahead) * row + x * pixel, f.count);
  }
  // From a weight of a pixel to the one for its next neighbour to the right.
  int64_t next(const Filter<T>& f) const { return transposed ? f.dilation * pixel - 1 : 1; }
  // From the weight of a pixel for a place to the weight of the pixel `dilation` to the right for that place.
  int64_t along(const Filter<T>& f) const { return transposed ? 1 : f.dilation * pixel - 1; }
};

// Whether the weights lie as taps do, of the same type; then these are they.
template <typename T>
bool lie_as_taps(const Weights& weights, Taps<T>& taps) {
  const Tensor& t = weights.tensor;
  if (t.type != kTypeOf<T> || (t.stride[1] != 1 && t.shape[1] > 1)) return false;
  const T* const data = static_cast<const T*>(t.data) + weights.image * t.stride[0];
  taps = {data, t.stride[2], t.stride[3], weights.transposed};
  return true;
}

// Room for the taps of a block of pixels of a row, whose weights lie otherwise.
//
// In planes each neighbour is far from the others: reading a few pixels at a time would miss the cache of page
// addresses at every step.
template <typename T>
struct Block {
  T* data;
  const T** lines;  // room for the rows of a window
  static int64_t elements(const Filter<T>& f) { return 2 * f.count * kColumns; }

  // Weights that point outside the image are left as they are; no one reads them.
  Taps<T> fetch(const Filter<T>& f, const Weights& weights, const Strip& strip) const {
    const auto [y, first, end] = strip;
    const Tensor& tensor = weights.tensor;
    const Taps<T> taps{data - first * f.count, 0, f.count, false};
    if (tensor.stride[1] == 1 && !weights.transposed) {  // side by side, in another type
      for (int64_t x = first; x < end; ++x)
        load_strip(tensor, weights.at(f, y, x, -f.half, -f.half), 1, f.count, data + (x - first) * f.count);
      return taps;
    }
    T* const planes = data + f.count * kColumns;
    for (int64_t dy = f.first_step(y, f.reach_y); dy <= f.last_step(y, f.reach_y, f.height); ++dy) {
      for (int64_t dx = -f.reach_x; dx <= f.reach_x; ++dx) {
        const int64_t from = larger(first, -dx * f.dilation), to = smaller(end, f.width - dx * f.dilation);
        if (from >= to) continue;
        const int64_t offset = weights.at(f, y, from, dy, dx), step = tensor.stride[3];
        if (step == 1) ask_for(tensor, offset + kColumns, kColumns);
        load_strip(tensor, offset, step, to - from, planes + f.neighbour(dy, dx) * kColumns + from - first);
      }
    }
    transpose(planes, kColumns, f.count, end - first, data, f.count, T{});
    return taps;
  }
};

}  // namespace crispseg::CRISPSEG_LEVEL
