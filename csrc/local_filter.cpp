#include "filter.h"
#include "kernels.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

// One row of an image, channels-last and padded with zeros.
template <typename T>
void load_row(const Filter<T>& f, const Tensor& map, int64_t image, int64_t y, T* to) {
  const int64_t start = image * map.stride[0] + y * map.stride[2];
  if (f.channels < f.padded)
    for (int64_t x = 0; x < f.width; ++x)
      for (int64_t c = f.channels; c < f.padded; ++c) to[x * f.padded + c] = 0;
  with_elements(map, [&](const auto* elements) {
    const auto* const from = elements + start;
    if (map.stride[3] == 1) return transpose(from, map.stride[1], f.channels, f.width, to, f.padded, T{});
    for (int64_t x = 0; x < f.width; ++x)
      for (int64_t c = 0; c < f.channels; ++c)
        to[x * f.padded + c] = widened<T>(from[x * map.stride[3] + c * map.stride[1]]);
  });
}

template <typename T>
void store_row(const Filter<T>& f, const T* from, const Tensor& map, int64_t image, int64_t y) {
  const int64_t start = image * map.stride[0] + y * map.stride[2];
  with_elements(map, [&](auto* elements) {
    auto* const to = elements + start;
    using S = std::remove_pointer_t<decltype(elements)>;
    if (map.stride[3] == 1) return transpose(from, f.padded, f.width, f.channels, to, map.stride[1], T{});
    for (int64_t x = 0; x < f.width; ++x)
      for (int64_t c = 0; c < f.channels; ++c)
        to[x * map.stride[3] + c * map.stride[1]] = Rounded<S>::from(from[x * f.padded + c]);
  });
}

// What a thread needs for a row: a block of weights, and a row of scores.
template <typename T>
class Rooms {
 public:
  Rooms(const Filter<T>& f, Threads threads)
      : block_(Block<T>::elements(f)),
        elements_(round_up(block_ + f.row_elements(), 64)),
        memory_(threads * elements_ * static_cast<int64_t>(sizeof(T))) {}

  Block<T> block(int thread) const { return {start(thread)}; }
  T* row(int thread) const { return start(thread) + block_; }

 private:
  T* start(int thread) const { return static_cast<T*>(memory_.data()) + thread * elements_; }

  int64_t block_, elements_;
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
  for (int64_t image = 0; image < f.batch; ++image) {
    const Weights weights{weight_map, image, false};
    T* from = static_cast<T*>(one.data());
    T* to = static_cast<T*>(two.data());
    by_bands(f.height, threads, [&](int64_t y, int) { load_row(f, scores, image, y, from + y * f.row_elements()); });
    for (int64_t pass = 0; pass < iterations; ++pass) {
      const bool last = pass == iterations - 1;
      by_bands(f.height, threads, [&](int64_t y, int thread) {
        T* const row = last ? rooms.row(thread) : to + y * f.row_elements();
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
    Narrow<T> v[kCount] = {};
    for (int64_t pass = 0; pass < passes; ++pass) {
      const T* gradient = gradients[pass] + here;
      const T* scores = before[pass] + there;
      for (int64_t c = 0; c < f.padded; c += kNarrowLanes<T>) {
        const Narrow<T> g = load<T, kNarrowBytes>(gradient + c);
#pragma GCC unroll 16
        for (int n = 0; n < kCount; ++n) v[n] += g * load<T, kNarrowBytes>(scores + n * place + c);
      }
    }
#pragma GCC unroll 16
    for (int n = 0; n < kCount; ++n) sums[n] = sum<T, kNarrowBytes>(v[n]);
  }

  T own(int64_t y, int64_t x) const {
    const int64_t here = (y * f.width + x) * f.padded;
    Narrow<T> v = {};
    for (int64_t pass = 0; pass < passes; ++pass)
      for (int64_t c = 0; c < f.padded; c += kNarrowLanes<T>)
        v += load<T, kNarrowBytes>(gradients[pass] + here + c) * load<T, kNarrowBytes>(after[pass] + here + c);
    return sum<T, kNarrowBytes>(v);
  }

  // The dots of the pixel (y, x) with its neighbours in row dy of the window, to where those of dx = 0 would be at `to`.
  void put(int64_t y, int64_t x, int64_t dy, T* to) const {
    const int64_t place = f.dilation * f.padded, here = (y * f.width + x) * f.padded;
    const int64_t last_dx = f.last_step(x, f.reach_x, f.width);
    for (int64_t dx = f.first_step(x, f.reach_x); dx <= last_dx;) {
      const int64_t there = ((y + dy * f.dilation) * f.width + x + dx * f.dilation) * f.padded;
      const int64_t left = last_dx - dx + 1;
      if (left >= kTogether) {
        dots<kTogether>(here, there, place, to + dx);
        dx += kTogether;
      } else if (left >= 3) {
        dots<3>(here, there, place, to + dx);
        dx += 3;
      } else {
        dots<1>(here, there, place, to + dx);
        dx += 1;
      }
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
      T* const row = slots_[0] + y * f_.row_elements();
      load_row(f_, grad, image, y, row);
      for (int64_t x = 0; x < f_.width; ++x)
        for (int64_t c = 0; c < f_.padded; ++c) row[x * f_.padded + c] *= scale_[y * f_.width + x];
    });
    const Weights transposed{weight_map, image, true};
    bool fresh = true;
    for (int64_t pass = iterations_ - 1, slot = 0; pass >= 0; --pass) {
      const bool first = pass == 0;
      by_bands(f_.height, threads_, [&](int64_t y, int thread) {
        T* const row = first ? rooms_.row(thread) : slots_[slot + 1] + y * f_.row_elements();
        filter_row<T>(f_, transposed, rooms_.block(thread), slots_[slot], y, nullptr, first ? ones_ : scale_ + y * f_.width, row);
        if (first) store_row(f_, row, grad_scores, image, y);
      });
      if (++slot < kKept && !first) continue;
      add_weight_gradient(pass, slot, image, fresh, grad_weights);
      fresh = false;
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
    by_bands(f_.height, threads_,
             [&](int64_t y, int) { load_row(f_, scores, image, y, state(0) + y * f_.row_elements()); });
    const Scales<T> fresh{sums_, scale_, normalize};
    // The scores after the last pass are needed only where weights are divided by their sum. Without, the first pass is
    // made all the same, for its scales.
    for (int64_t pass = 0; pass < larger<int64_t>(iterations_ - (normalize ? 0 : 1), 1); ++pass)
      by_bands(f_.height, threads_, [&](int64_t y, int thread) {
        filter_row(f_, weights, rooms_.block(thread), state(pass), y, pass == 0 ? &fresh : nullptr,
                   scale_ + y * f_.width, state(pass + 1) + y * f_.row_elements());
      });
  }

  // `slots` gradients: of pass `pass` in the last slot, of the pass after it in the one before, and so on. With `fresh`
  // they replace what is in the result.
  void add_weight_gradient(int64_t pass, int64_t slots, int64_t image, bool fresh, const Tensor& result) {
    constexpr int64_t kRows = 64, kColumns = Block<T>::kColumns;  // a tile whose maps stay in a core's cache
    const T *before[kKept], *after[kKept];
    for (int64_t slot = 0; slot < slots; ++slot) {
      before[slot] = state(pass + slots - 1 - slot);
      after[slot] = state(pass + slots - slot);
    }
    const WeightGradient<T> gradient{f_, slots_, before, after, slots};
    const int64_t tiles = ceil_div(f_.width, kColumns);
    run_tasks(tiles * ceil_div(f_.height, kRows), threads_, [&](int64_t task, int thread) {
      const int64_t first = task % tiles * kColumns, end = smaller(first + kColumns, f_.width);
      const int64_t top = task / tiles * kRows, bottom = smaller(top + kRows, f_.height);
      T* const block = rooms_.block(thread).data;
      T* const averages = rooms_.row(thread);
      for (int64_t y = top; y < bottom; ++y) {
        for (int64_t x = first; x < end; ++x)
          averages[x - first] = sums_[y * f_.width + x] != 0 ? gradient.own(y, x) : 0;
        // The row of the window outside, so that what its pixels share stays close.
        for (int64_t dy = f_.first_step(y, f_.reach_y); dy <= f_.last_step(y, f_.reach_y, f_.height); ++dy)
          for (int64_t x = first; x < end; ++x)
            gradient.put(y, x, dy, block + (x - first) * f_.count + f_.neighbour(dy, 0));
        for (int64_t x = first; x < end; ++x) finish(block + (x - first) * f_.count, averages[x - first], y, x);
        add_block(block, y, first, end, image, fresh, result);
      }
    });
  }

  // Takes the average off the dots of the pixel (y, x), and makes 0 what points outside.
  void finish(T* dots, T average, int64_t y, int64_t x) const {
    const int64_t first_dy = f_.first_step(y, f_.reach_y), last_dy = f_.last_step(y, f_.reach_y, f_.height);
    const int64_t first_dx = f_.first_step(x, f_.reach_x), last_dx = f_.last_step(x, f_.reach_x, f_.width);
    if (first_dy == -f_.half && last_dy == f_.half && first_dx == -f_.half && last_dx == f_.half) {
      for (int64_t k = 0; k < f_.count; ++k) dots[k] -= average;
      return;
    }
    for (int64_t dy = -f_.half; dy <= f_.half; ++dy)
      for (int64_t dx = -f_.half; dx <= f_.half; ++dx) {
        const bool inside = dy >= first_dy && dy <= last_dy && dx >= first_dx && dx <= last_dx;
        T& dot = dots[f_.neighbour(dy, dx)];
        dot = inside ? dot - average : 0;
      }
  }

  void add_block(const T* block, int64_t y, int64_t first, int64_t end, int64_t image, bool fresh,
                 const Tensor& result) const {
    const int64_t step = result.stride[1];
    for (int64_t x = first; x < end; ++x) {
      T* const to = static_cast<T*>(result.data) + image * result.stride[0] + y * result.stride[2] + x * result.stride[3];
      const T* const from = block + (x - first) * f_.count;
      if (fresh) {
        for (int64_t k = 0; k < f_.count; ++k) to[k * step] = from[k];
      } else {
        for (int64_t k = 0; k < f_.count; ++k) to[k * step] += from[k];
      }
    }
  }

  const Filter<T>& f_;
  int64_t iterations_;
  Threads threads_;
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
