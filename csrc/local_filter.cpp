// Scores travel channels-last and padded to whole vectors: then a neighbour is a few aligned loads, a weight is one
// broadcast, and any number of channels is the same code. Neighbouring pixels share the loads of their neighbours.
#include "kernels.h"
#include "rows.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

template <typename T>
struct Filter {
  int64_t batch, channels, height, width, padded;
  int64_t size, dilation, half, reach_y, reach_x;

  Filter(const Tensor& scores, const Window& window)
      : batch(scores.shape[0]),
        channels(scores.shape[1]),
        height(scores.shape[2]),
        width(scores.shape[3]),
        padded(round_up(scores.shape[1], kLanes<T>)),
        size(window.size),
        dilation(window.dilation),
        half(window.size / 2),
        reach_y(height > 0 ? smaller(half, (height - 1) / dilation) : 0),
        reach_x(width > 0 ? smaller(half, (width - 1) / dilation) : 0) {}

  bool empty() const { return batch == 0 || channels == 0 || height == 0 || width == 0; }
  int64_t pixels() const { return height * width; }
  int64_t map_elements() const { return pixels() * padded; }

  // Steps of the window along an axis that stay inside the image.
  int64_t first_step(int64_t at, int64_t reach) const { return larger(-reach, -(at / dilation)); }
  int64_t last_step(int64_t at, int64_t reach, int64_t extent) const {
    return smaller(reach, (extent - 1 - at) / dilation);
  }
};

// Pixels whose sums are kept in registers together, and vectors of channels for each.
constexpr int kPixels = 4;
constexpr int kVectors = 3;

// The weights of one image as the filter, or its transpose, reads them.
//
// Forward, a pixel takes from its neighbour with its own weight for it. Transposed, it takes what each neighbour gave it:
// with the neighbour's weight for the pixel, which is in the plane of the opposite offset, at the neighbour's place.
struct Weights {
  const Tensor& tensor;
  int64_t image;
  bool transposed;

  // Offset of the weight of the pixel at (y, x) for the neighbour (dy, dx).
  template <typename T>
  int64_t at(const Filter<T>& f, int64_t y, int64_t x, int64_t dy, int64_t dx) const {
    if (transposed) y += dy * f.dilation, x += dx * f.dilation, dy = -dy, dx = -dx;
    const int64_t k = (dy + f.half) * f.size + dx + f.half;
    return image * tensor.stride[0] + k * tensor.stride[1] + y * tensor.stride[2] + x * tensor.stride[3];
  }
};

// Weights of a few pixels of a row, side by side: block[n · columns + i] is that of pixel first + i for neighbour n.
//
// In the tensor each neighbour has a plane of its own, far from the others: reading it a few pixels at a time would miss
// the cache of page addresses at every step.
template <typename T>
struct Block {
  T* data;
  int64_t columns;

  // Columns of a block: whole groups of pixels, and at least some cache lines.
  static int64_t columns_of(const Filter<T>& f) { return round_up(64, kPixels * f.dilation); }
  static int64_t elements(const Filter<T>& f) { return f.size * f.size * columns_of(f); }

  T* at(const Filter<T>& f, int64_t i, int64_t dy, int64_t dx) const {
    return data + ((dy + f.half) * f.size + dx + f.half) * columns + i;
  }

  // Weights that point outside the image are left as they are; no one reads them.
  void fetch(const Filter<T>& f, const Weights& weights, int64_t y, int64_t first) const {
    const int64_t end = smaller(first + columns, f.width);
    for (int64_t dy = f.first_step(y, f.reach_y); dy <= f.last_step(y, f.reach_y, f.height); ++dy) {
      for (int64_t dx = -f.reach_x; dx <= f.reach_x; ++dx) {
        const int64_t from = larger(first, -dx * f.dilation), to = smaller(end, f.width - dx * f.dilation);
        if (from >= to) continue;
        const int64_t offset = weights.at(f, y, from, dy, dx), step = weights.tensor.stride[3];
        ask_for(weights.tensor, offset + columns * step, columns * step);
        load_strip(weights.tensor, offset, step, to - from, at(f, from - first, dy, dx));
      }
    }
  }
};

template <typename T, int kP, int kV>
struct Sums {
  Vector<T> v[kP][kV] = {};

  // Adds one neighbour, at `from`, to pixels kFirst to kLast: weights are `along` apart from pixel to pixel.
  template <int kFirst, int kLast>
  CRISPSEG_INLINE void add(const T* from, const T* weight, int64_t along) {
    Vector<T> neighbour[kV];
#pragma GCC unroll 4
    for (int c = 0; c < kV; ++c) neighbour[c] = load(from + c * kLanes<T>);
#pragma GCC unroll 4
    for (int p = kFirst; p <= kLast; ++p) {
      const Vector<T> w = fill(weight[p * along]);
#pragma GCC unroll 4
      for (int c = 0; c < kV; ++c) v[p][c] += w * neighbour[c];
    }
  }
};

// A row of the window for four pixels, `dilation` apart: each of its size + 3 places is loaded once, and serves the
// pixels that see it. Pixel p sees place q as its neighbour q - p.
template <typename T, int kV>
CRISPSEG_INLINE void add_row(Sums<T, kPixels, kV>& sums, const T* from, int64_t place, const T* weight, int64_t step,
                             int64_t along, int64_t size) {
  static_assert(kPixels == 4, "the ramps below are written for four pixels");
  sums.template add<0, 0>(from, weight, along);
  sums.template add<0, 1>(from + place, weight + step, along);
  sums.template add<0, 2>(from + 2 * place, weight + 2 * step, along);
  for (int64_t q = 3; q < size; ++q) sums.template add<0, 3>(from + q * place, weight + q * step, along);
  sums.template add<1, 3>(from + size * place, weight + size * step, along);
  sums.template add<2, 3>(from + (size + 1) * place, weight + (size + 1) * step, along);
  sums.template add<3, 3>(from + (size + 2) * place, weight + (size + 2) * step, along);
}

// A block of a row of one pass, for kV vectors of channels from channel c on: out = scale · Σ weight · in.
template <typename T, int kV>
void filter_block(const Filter<T>& f, const Block<T>& block, const T* in, int64_t y, int64_t first, int64_t c,
                  const T* scale, T* out) {
  const int64_t first_dy = f.first_step(y, f.reach_y), last_dy = f.last_step(y, f.reach_y, f.height);
  const int64_t place = f.dilation * f.padded, step = block.columns;
  const auto pixel = [&](int64_t x) {
    Sums<T, 1, kV> sums;
    const int64_t first_dx = f.first_step(x, f.reach_x), last_dx = f.last_step(x, f.reach_x, f.width);
    for (int64_t dy = first_dy; dy <= last_dy; ++dy) {
      const T* from = in + ((y + dy * f.dilation) * f.width + x + first_dx * f.dilation) * f.padded + c;
      const T* weight = block.at(f, x - first, dy, first_dx);
      for (int64_t n = 0; n <= last_dx - first_dx; ++n) sums.template add<0, 0>(from + n * place, weight + n * step, 0);
    }
    for (int v = 0; v < kV; ++v) store<T>(out + x * f.padded + c + v * kLanes<T>, sums.v[0][v] * scale[x]);
  };
  const auto group = [&](int64_t x) {
    Sums<T, kPixels, kV> sums;
    for (int64_t dy = first_dy; dy <= last_dy; ++dy) {
      const T* from = in + ((y + dy * f.dilation) * f.width + x - f.half * f.dilation) * f.padded + c;
      add_row<T, kV>(sums, from, place, block.at(f, x - first, dy, -f.half), step, f.dilation - step, f.size);
    }
    for (int p = 0; p < kPixels; ++p) {
      const int64_t at = x + p * f.dilation;
      for (int v = 0; v < kV; ++v) store<T>(out + at * f.padded + c + v * kLanes<T>, sums.v[p][v] * scale[at]);
    }
  };
  // Pixels whose whole window row is inside the image go in groups; the others, and what is left, one by one.
  const int64_t end = smaller(first + block.columns, f.width), span = kPixels * f.dilation;
  const int64_t left = larger(first, f.half * f.dilation), right = smaller(end, f.width - f.half * f.dilation);
  const int64_t groups = f.size >= 3 ? larger<int64_t>(right - left, 0) / span : 0;
  for (int64_t x = first; x < (groups > 0 ? left : first); ++x) pixel(x);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t r = 0; r < f.dilation; ++r) group(left + g * span + r);
  for (int64_t x = groups > 0 ? left + groups * span : first; x < end; ++x) pixel(x);
}

// Sums of the weights that point inside, and what a pass multiplies with: 1 over the sum, 1 where that is 0. Without
// `normalize` the sums are 0, which divides nothing.
template <typename T>
struct Scales {
  T* sums;
  T* scale;
  bool normalize;

  void fill_block(const Filter<T>& f, const Block<T>& block, int64_t y, int64_t first) const {
    const int64_t end = smaller(first + block.columns, f.width);
    T *const row_sums = sums + y * f.width, *const row_scale = scale + y * f.width;
    for (int64_t x = first; x < end; ++x) row_sums[x] = 0;
    const int64_t last_dy = normalize ? f.last_step(y, f.reach_y, f.height) : -f.height;
    for (int64_t dy = f.first_step(y, f.reach_y); dy <= last_dy; ++dy) {
      for (int64_t dx = -f.reach_x; dx <= f.reach_x; ++dx) {
        const T* const row = block.at(f, -first, dy, dx);
        const int64_t from = larger(first, -dx * f.dilation), to = smaller(end, f.width - dx * f.dilation);
        for (int64_t x = from; x < to; ++x) row_sums[x] += row[x];
      }
    }
    for (int64_t x = first; x < end; ++x) row_scale[x] = row_sums[x] == 0 ? 1 : 1 / row_sums[x];
  }
};

// One row of one pass: out = scale · Σ weight · in. With `fresh`, the scales of the row are computed on the way.
template <typename T>
void filter_row(const Filter<T>& f, const Weights& weights, const Block<T>& block, const T* in, int64_t y,
                const Scales<T>* fresh, const T* scale, T* out) {
  for (int64_t first = 0; first < f.width; first += block.columns) {
    block.fetch(f, weights, y, first);
    if (fresh != nullptr) fresh->fill_block(f, block, y, first);
    for (int64_t c = 0; c < f.padded; c += kVectors * kLanes<T>) {
      const int64_t vectors = smaller<int64_t>(kVectors, (f.padded - c) / kLanes<T>);
      if (vectors == 3) filter_block<T, 3>(f, block, in, y, first, c, scale, out);
      if (vectors == 2) filter_block<T, 2>(f, block, in, y, first, c, scale, out);
      if (vectors == 1) filter_block<T, 1>(f, block, in, y, first, c, scale, out);
    }
  }
}

// Rows that one task takes: enough to find the rows above still in the cache.
constexpr int64_t kBand = 16;

template <typename Run>
void by_bands(int64_t height, Threads threads, const Run& run) {
  run_tasks(ceil_div(height, kBand), threads, [&](int64_t task, int thread) {
    for (int64_t y = task * kBand; y < smaller(height, (task + 1) * kBand); ++y) run(y, thread);
  });
}

// One row of an image, channels-last and padded with zeros.
template <typename T>
void load_row(const Filter<T>& f, const Tensor& map, int64_t image, int64_t y, T* to) {
  const int64_t start = image * map.stride[0] + y * map.stride[2];
  with_elements(map, [&](const auto* elements) {
    for (int64_t x = 0; x < f.width; ++x) {
      const auto* from = elements + start + x * map.stride[3];
      T* pixel = to + x * f.padded;
      for (int64_t c = 0; c < f.channels; ++c) pixel[c] = widened<T>(from[c * map.stride[1]]);
      for (int64_t c = f.channels; c < f.padded; ++c) pixel[c] = 0;
    }
  });
}

template <typename T>
void store_row(const Filter<T>& f, const T* from, const Tensor& map, int64_t image, int64_t y) {
  const int64_t start = image * map.stride[0] + y * map.stride[2];
  with_elements(map, [&](auto* elements) {
    using S = std::remove_pointer_t<decltype(elements)>;
    for (int64_t x = 0; x < f.width; ++x) {
      S* to = elements + start + x * map.stride[3];
      for (int64_t c = 0; c < f.channels; ++c) to[c * map.stride[1]] = Narrow<S>::from(from[x * f.padded + c]);
    }
  });
}

// What a thread needs for a row: a block of weights, and a row of scores.
template <typename T>
class Rooms {
 public:
  Rooms(const Filter<T>& f, Threads threads)
      : columns_(Block<T>::columns_of(f)),
        block_(Block<T>::elements(f)),
        elements_(round_up(block_ + f.width * f.padded, 64)),
        memory_(threads * elements_ * static_cast<int64_t>(sizeof(T))) {}

  Block<T> block(int thread) const { return {start(thread), columns_}; }
  T* row(int thread) const { return start(thread) + block_; }

 private:
  T* start(int thread) const { return static_cast<T*>(memory_.data()) + thread * elements_; }

  int64_t columns_, block_, elements_;
  Scratch memory_;
};

template <typename T>
void forward(const Tensor& scores, const Tensor& weight_map, const Window& window, int64_t iterations, bool normalize,
             Threads threads, const Tensor& result) {
  const Filter<T> f(scores, window);
  if (f.empty()) return;
  constexpr int64_t kBytes = sizeof(T);
  const Scratch one(f.map_elements() * kBytes), two(iterations > 1 ? f.map_elements() * kBytes : 0);
  const Scratch scales(2 * f.pixels() * kBytes);
  const Rooms<T> rooms(f, threads);
  T* const scale = static_cast<T*>(scales.data());
  const Scales<T> fresh{scale + f.pixels(), scale, normalize};
  const int64_t row_elements = f.width * f.padded;
  for (int64_t image = 0; image < f.batch; ++image) {
    const Weights weights{weight_map, image, false};
    T* from = static_cast<T*>(one.data());
    T* to = static_cast<T*>(two.data());
    by_bands(f.height, threads, [&](int64_t y, int) { load_row(f, scores, image, y, from + y * row_elements); });
    for (int64_t pass = 0; pass < iterations; ++pass) {
      const bool last = pass == iterations - 1;
      by_bands(f.height, threads, [&](int64_t y, int thread) {
        T* const row = last ? rooms.row(thread) : to + y * row_elements;
        filter_row(f, weights, rooms.block(thread), from, y, pass == 0 ? &fresh : nullptr, scale + y * f.width, row);
        if (last) store_row(f, row, result, image, y);
      });
      T* const swapped = from;
      from = to;
      to = swapped;
    }
  }
}

// The gradient to the weights, summed over passes: Σ g · (neighbour's scores before - own scores after the pass), where
// g was divided by the sum of the weights; without that sum only the first term.
template <typename T>
struct WeightGradient {
  const Filter<T>& f;
  const T* const* gradients;  // after each pass
  const T* const* before;     // scores before each pass
  const T* const* after;
  int64_t passes;

  // sums[n] = Σ over passes and channels of the gradient `here` times the scores `there`, n places on.
  template <int kCount>
  CRISPSEG_INLINE void dots(int64_t here, int64_t there, int64_t place, T* sums) const {
    Vector<T> v[kCount] = {};
    for (int64_t pass = 0; pass < passes; ++pass) {
      const T* gradient = gradients[pass] + here;
      const T* scores = before[pass] + there;
      for (int64_t c = 0; c < f.padded; c += kLanes<T>) {
        const Vector<T> g = load(gradient + c);
#pragma GCC unroll 16
        for (int n = 0; n < kCount; ++n) v[n] += g * load(scores + n * place + c);
      }
    }
#pragma GCC unroll 16
    for (int n = 0; n < kCount; ++n) sums[n] = sum<T>(v[n]);
  }

  T own(int64_t y, int64_t x) const {
    const int64_t here = (y * f.width + x) * f.padded;
    Vector<T> v = {};
    for (int64_t pass = 0; pass < passes; ++pass)
      for (int64_t c = 0; c < f.padded; c += kLanes<T>) v += load(gradients[pass] + here + c) * load(after[pass] + here + c);
    return sum<T>(v);
  }

  // Puts the dots of the pixel (y, x) with its neighbours in row dy of the window into column i of a block.
  void put(int64_t y, int64_t x, int64_t dy, const Block<T>& block, int64_t i) const {
    const int64_t place = f.dilation * f.padded, here = (y * f.width + x) * f.padded;
    const int64_t last_dx = f.last_step(x, f.reach_x, f.width);
    for (int64_t dx = f.first_step(x, f.reach_x); dx <= last_dx;) {
      const int64_t there = ((y + dy * f.dilation) * f.width + x + dx * f.dilation) * f.padded;
      const int64_t left = last_dx - dx + 1;
      T sums[kTogether];
      int64_t count = 1;
      if (left >= kTogether) {
        count = kTogether;
        dots<kTogether>(here, there, place, sums);
      } else if (left >= 3) {
        count = 3;
        dots<3>(here, there, place, sums);
      } else {
        dots<1>(here, there, place, sums);
      }
      T* const to = block.at(f, i, dy, dx);
      for (int64_t n = 0; n < count; ++n) to[n * block.columns] = sums[n];
      dx += count;
    }
  }

  static constexpr int kTogether = 9;
};

// The way back through all passes of one image.
//
// Scores after every pass are computed anew and kept; gradients are kept for a few passes, which then go into the
// gradient of the weights together, so that this large map is read and written seldom.
template <typename T>
class Backward {
 public:
  Backward(const Filter<T>& f, int64_t iterations, Threads threads)
      : f_(f),
        iterations_(iterations),
        threads_(threads),
        row_(f.width * f.padded),
        states_(iterations + 1, f.map_elements() * kBytes),
        gradients_(smaller(kKept, iterations) + 1, f.map_elements() * kBytes),
        scales_((2 * f.pixels() + f.width) * kBytes),
        rooms_(f, threads),
        scale_(static_cast<T*>(scales_.data())),
        sums_(scale_ + f.pixels()),
        ones_(sums_ + f.pixels()) {
    for (int64_t x = 0; x < f.width; ++x) ones_[x] = 1;
    for (int64_t slot = 0; slot <= smaller(kKept, iterations); ++slot) slots_[slot] = static_cast<T*>(gradients_[slot]);
  }

  void run(const Tensor& grad, const Tensor& scores, const Tensor& weight_map, int64_t image, bool normalize,
           const Tensor& grad_scores, const Tensor& grad_weights) {
    filter_again(scores, {weight_map, image, false}, image, normalize);
    by_bands(f_.height, threads_, [&](int64_t y, int) {
      T* const row = slots_[0] + y * row_;
      load_row(f_, grad, image, y, row);
      for (int64_t x = 0; x < f_.width; ++x)
        for (int64_t c = 0; c < f_.padded; ++c) row[x * f_.padded + c] *= scale_[y * f_.width + x];
    });
    const Weights transposed{weight_map, image, true};
    for (int64_t pass = iterations_ - 1, slot = 0; pass >= 0; --pass) {
      const bool first = pass == 0;
      by_bands(f_.height, threads_, [&](int64_t y, int thread) {
        T* const row = first ? rooms_.row(thread) : slots_[slot + 1] + y * row_;
        filter_row<T>(f_, transposed, rooms_.block(thread), slots_[slot], y, nullptr, first ? ones_ : scale_ + y * f_.width, row);
        if (first) store_row(f_, row, grad_scores, image, y);
      });
      if (++slot < kKept && !first) continue;
      add_weight_gradient(pass, slot, image, grad_weights);
      T* const newest = slots_[slot];
      slots_[slot] = slots_[0];
      slots_[0] = newest;
      slot = 0;
    }
  }

 private:
  static constexpr int64_t kBytes = sizeof(T);
  static constexpr int64_t kKept = 8;

  T* state(int64_t pass) const { return static_cast<T*>(states_[pass]); }

  void filter_again(const Tensor& scores, const Weights& weights, int64_t image, bool normalize) {
    by_bands(f_.height, threads_, [&](int64_t y, int) { load_row(f_, scores, image, y, state(0) + y * row_); });
    const Scales<T> fresh{sums_, scale_, normalize};
    // The scores after the last pass are needed only where weights are divided by their sum. Without, the first pass is
    // made all the same, for its scales.
    for (int64_t pass = 0; pass < larger<int64_t>(iterations_ - (normalize ? 0 : 1), 1); ++pass)
      by_bands(f_.height, threads_, [&](int64_t y, int thread) {
        filter_row(f_, weights, rooms_.block(thread), state(pass), y, pass == 0 ? &fresh : nullptr,
                   scale_ + y * f_.width, state(pass + 1) + y * row_);
      });
  }

  // `slots` gradients: of pass `pass` in the last slot, of the pass after it in the one before, and so on.
  void add_weight_gradient(int64_t pass, int64_t slots, int64_t image, const Tensor& result) {
    constexpr int64_t kRows = 64;
    const T *before[kKept], *after[kKept];
    for (int64_t slot = 0; slot < slots; ++slot) {
      before[slot] = state(pass + slots - 1 - slot);
      after[slot] = state(pass + slots - slot);
    }
    const WeightGradient<T> gradient{f_, slots_, before, after, slots};
    // A tile as narrow as a block keeps all maps in a core's cache.
    const int64_t columns = Block<T>::columns_of(f_), tiles = ceil_div(f_.width, columns);
    run_tasks(tiles * ceil_div(f_.height, kRows), threads_, [&](int64_t task, int thread) {
      const int64_t first = task % tiles * columns, end = smaller(first + columns, f_.width);
      const int64_t top = task / tiles * kRows, bottom = smaller(top + kRows, f_.height);
      const Block<T> block = rooms_.block(thread);
      T* const averages = rooms_.row(thread);
      for (int64_t y = top; y < bottom; ++y) {
        for (int64_t x = first; x < end; ++x)
          averages[x - first] = sums_[y * f_.width + x] != 0 ? gradient.own(y, x) : 0;
        // The row of the window outside, so that what its pixels share stays close.
        for (int64_t dy = f_.first_step(y, f_.reach_y); dy <= f_.last_step(y, f_.reach_y, f_.height); ++dy)
          for (int64_t x = first; x < end; ++x) gradient.put(y, x, dy, block, x - first);
        add_block(block, averages, y, first, image, result);
      }
    });
  }

  void add_block(const Block<T>& block, const T* averages, int64_t y, int64_t first, int64_t image,
                 const Tensor& result) const {
    const Weights weights{result, image, false};
    const int64_t end = smaller(first + block.columns, f_.width);
    for (int64_t dy = f_.first_step(y, f_.reach_y); dy <= f_.last_step(y, f_.reach_y, f_.height); ++dy) {
      for (int64_t dx = -f_.reach_x; dx <= f_.reach_x; ++dx) {
        const int64_t from = larger(first, -dx * f_.dilation), to = smaller(end, f_.width - dx * f_.dilation);
        T* const sums = static_cast<T*>(result.data) + weights.at(f_, y, from, dy, dx);
        const T* const row = block.at(f_, from - first, dy, dx);
        for (int64_t i = 0; i < to - from; ++i) sums[i * result.stride[3]] += row[i] - averages[from - first + i];
      }
    }
  }

  const Filter<T>& f_;
  int64_t iterations_;
  Threads threads_;
  int64_t row_;
  Maps states_, gradients_;
  Scratch scales_;
  Rooms<T> rooms_;
  T *scale_, *sums_, *ones_;
  T* slots_[kKept + 1];
};

template <typename T>
void backward(const Tensor& grad, const Tensor& scores, const Tensor& weights, const Window& window, int64_t iterations,
              bool normalize, Threads threads, const Tensor& grad_scores, const Tensor& grad_weights) {
  const Filter<T> f(scores, window);
  if (f.empty()) return;
  Backward<T> way_back(f, iterations, threads);
  for (int64_t image = 0; image < f.batch; ++image)
    way_back.run(grad, scores, weights, image, normalize, grad_scores, grad_weights);
}

}  // namespace

void local_filter(const Tensor& scores, const Tensor& weights, const Window& window, int64_t iterations, bool normalize,
                  Threads threads, const Tensor& result) {
  with_sums(weights.type == Type::kFloat64 ? weights.type : scores.type, [&](auto zero) {
    forward<decltype(zero)>(scores, weights, window, iterations, normalize, threads, result);
  });
}

void local_filter_backward(const Tensor& grad, const Tensor& scores, const Tensor& weights, const Window& window,
                           int64_t iterations, bool normalize, Threads threads, const Tensor& grad_scores,
                           const Tensor& grad_weights) {
  with_sums(grad_weights.type, [&](auto zero) {
    backward<decltype(zero)>(grad, scores, weights, window, iterations, normalize, threads, grad_scores, grad_weights);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
