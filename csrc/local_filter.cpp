#include "filter_walk.h"
#include "kernels.h"
#include "planar_filter.h"
#include "weight_gradient.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

// A strip of an image into a row: channels-last and padded with zeros.
template <typename T>
void load_strip_of(const Filter<T>& f, const Tensor& tensor, int64_t image, const Strip& strip, T* row) {
  const int64_t count = strip.end - strip.first;
  T* const to = row + strip.first * f.padded;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t c = f.channels; c < f.padded; ++c) to[i * f.padded + c] = 0;
  const int64_t start = image * tensor.stride[0] + strip.y * tensor.stride[2] + strip.first * tensor.stride[3];
  with_elements(tensor, [&](const auto* elements) {
    const auto* const from = elements + start;
    if (tensor.stride[3] == 1) return transpose(from, tensor.stride[1], f.channels, count, to, f.padded, T{});
    for (int64_t i = 0; i < count; ++i)
      for (int64_t c = 0; c < f.channels; ++c)
        to[i * f.padded + c] = widened<T>(from[i * tensor.stride[3] + c * tensor.stride[1]]);
  });
}

template <typename T>
void store_strip_of(const Filter<T>& f, const T* row, const Tensor& tensor, int64_t image, const Strip& strip) {
  const int64_t count = strip.end - strip.first;
  const T* const from = row + strip.first * f.padded;
  const int64_t start = image * tensor.stride[0] + strip.y * tensor.stride[2] + strip.first * tensor.stride[3];
  with_elements(tensor, [&](auto* elements) {
    auto* const to = elements + start;
    using S = std::remove_pointer_t<decltype(elements)>;
    if (tensor.stride[3] == 1) return transpose(from, f.padded, count, f.channels, to, tensor.stride[1], T{});
    for (int64_t i = 0; i < count; ++i)
      for (int64_t c = 0; c < f.channels; ++c)
        to[i * tensor.stride[3] + c * tensor.stride[1]] = Rounded<S>::from(from[i * f.padded + c]);
  });
}

// Blocks of weights, one for each thread, and room for averages beside them.
template <typename T>
class Rooms {
 public:
  Rooms(const Filter<T>& f, Threads threads)
      : elements_(round_up(Block<T>::elements(f) + kColumns, 64)),
        lines_(2 * f.reach_y + 1),
        memory_(threads * elements_ * static_cast<int64_t>(sizeof(T))),
        pointers_(threads * lines_ * static_cast<int64_t>(sizeof(T*))) {}

  Block<T> block(int thread) const {
    return {static_cast<T*>(memory_.data()) + thread * elements_,
            static_cast<const T**>(pointers_.data()) + thread * lines_};
  }
  T* averages(int thread) const { return block(thread).data + elements_ - kColumns; }

 private:
  int64_t elements_, lines_;
  Scratch memory_, pointers_;
};

// The sums of one image's weights, one for each pixel.
template <typename T>
T* sums_of(const Filter<T>& f, const Tensor& sums, int64_t image) {
  return static_cast<T*>(sums.data) + image * f.pixels();
}

// The scores of one image before the first pass, and after every one.
template <typename T>
T* state_of(const Filter<T>& f, const Tensor& states, int64_t pass, int64_t image) {
  return static_cast<T*>(states.data) + (pass * f.batch + image) * f.map_elements();
}

template <typename T>
void set_zero(const Tensor& tensor) {
  T* const to = static_cast<T*>(tensor.data);
  for (int64_t n = 0; n < tensor.shape[0]; ++n)
    for (int64_t k = 0; k < tensor.shape[1]; ++k)
      for (int64_t y = 0; y < tensor.shape[2]; ++y)
        for (int64_t x = 0; x < tensor.shape[3]; ++x)
          to[n * tensor.stride[0] + k * tensor.stride[1] + y * tensor.stride[2] + x * tensor.stride[3]] = 0;
}

template <typename T>
void forward(const Tensor& scores, const Tensor& weight_map, const Window& window, int64_t passes, bool normalize,
             Threads threads, const Tensor& result, const Tensor& sums, const Tensor* states) {
  const Filter<T> f(scores, window, states != nullptr ? states->shape[1] : 0);
  if (f.channels == 0) set_zero<T>(sums);
  if (f.empty()) return;
  if (states == nullptr && weight_map.stride[1] != 1) {
    PlanarFilter<T, StoredWeights<T>> planar(f, weight_map, passes, threads);
    for (int64_t image = 0; image < f.batch; ++image)
      planar.run(scores, image, normalize, sums_of(f, sums, image), result);
    return;
  }
  constexpr int64_t kBytes = sizeof(T);
  const int64_t together = states != nullptr ? 1 : passes_together(f, passes);
  // Where states are not kept, two maps take turns; one walk that takes all passes needs the first alone.
  const Maps turns(states != nullptr ? 0 : together > 1 && together >= passes ? 1 : 2, f.map_elements() * kBytes);
  const Scratch scales(together > 1 ? 0 : f.pixels() * kBytes);
  const Rooms<T> rooms(f, threads);
  const FilterWalk<T> walk(f, together, threads);
  T* const scale = static_cast<T*>(scales.data());
  for (int64_t image = 0; image < f.batch; ++image) {
    const Weights weights{weight_map, image, false};
    T* const sum = sums_of(f, sums, image);
    const auto map = [&](int64_t turn) {
      return states != nullptr ? state_of(f, *states, turn, image) : static_cast<T*>(turns[turn % 2]);
    };
    const auto row_of = [&](T* rows, int64_t y) { return rows + y * f.row_elements(); };
    const auto store_row = [&](const T* row, const Strip& strip) { store_strip_of(f, row, result, image, strip); };
    by_strips(f, threads,
              [&](const Strip& strip, int) { load_strip_of(f, scores, image, strip, row_of(map(0), strip.y)); });
    for (int64_t pass = 0, turn = 0; pass < passes; pass += together, ++turn) {
      const bool last = pass + together >= passes;
      if (together > 1) {
        const int64_t count = smaller(together, passes - pass);
        walk.run(
            weights, count, map(turn), sum, pass == 0, normalize, last ? nullptr : map(turn + 1),
            [&](int thread) { return rooms.block(thread); }, store_row);
        continue;
      }
      by_strips(f, threads, [&](const Strip& strip, int thread) {
        const int64_t at = strip.y * f.width;
        const Scales<T> fresh{sum + at, scale + at, normalize};
        filter_strip(f, weights, rooms.block(thread), map(turn), strip, pass == 0 ? &fresh : nullptr, scale,
                     map(turn + 1));
        if (last) store_row(row_of(map(turn + 1), strip.y), strip);
      });
    }
  }
}

// The way back through all passes of one image.
//
// Gradients are kept for a few passes, which then go into the gradient of the weights together, so that this large map
// is read and written seldom.
template <typename T>
class Backward {
 public:
  // Without `states`, and then `grad_weights`, the way to the scores alone.
  Backward(const Filter<T>& f, int64_t passes, Threads threads, const Tensor* states, const Tensor* grad_weights)
      : f_(f),
        passes_(passes),
        threads_(threads),
        states_(states),
        grad_weights_(grad_weights),
        kept_(states == nullptr ? 1 : smaller(kKept, passes)),
        gradients_(kept_ + 1, f.map_elements() * kBytes),
        scales_(2 * f.pixels() * kBytes),
        rooms_(f, threads),
        scale_(static_cast<T*>(scales_.data())),
        ones_(scale_ + f.pixels()) {
    for (int64_t i = 0; i < f.pixels(); ++i) ones_[i] = 1;
    for (int64_t slot = 0; slot <= kept_; ++slot) slots_[slot] = static_cast<T*>(gradients_[slot]);
  }

  void run(const Tensor& grad, const Tensor& weight_map, const Tensor& sums, int64_t image, const Tensor& grad_scores) {
    const T* const sum = sums_of(f_, sums, image);
    by_strips(f_, threads_, [&](const Strip& strip, int) {
      load_strip_of(f_, grad, image, strip, slots_[0] + strip.y * f_.row_elements());
      for (int64_t i = strip.y * f_.width + strip.first; i < strip.y * f_.width + strip.end; ++i) {
        scale_[i] = sum[i] == 0 ? 1 : 1 / sum[i];
        for (int64_t c = 0; c < f_.padded; ++c) slots_[0][i * f_.padded + c] *= scale_[i];
      }
    });
    const Weights transposed{weight_map, image, true};
    bool fresh = true;
    for (int64_t pass = passes_ - 1, slot = 0; pass >= 0; --pass) {
      const bool first = pass == 0;
      by_strips(f_, threads_, [&](const Strip& strip, int thread) {
        filter_strip<T>(f_, transposed, rooms_.block(thread), slots_[slot], strip, nullptr, first ? ones_ : scale_,
                        slots_[slot + 1]);
        if (first) store_strip_of(f_, slots_[slot + 1] + strip.y * f_.row_elements(), grad_scores, image, strip);
      });
      if (++slot < kept_ && !first) continue;
      if (states_ != nullptr) add_weight_gradient(pass, slot, sum, image, fresh);
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
  static constexpr int64_t kTogether = 16;

  // `slots` gradients: of pass `pass` in the last slot, of the pass after it in the one before, and so on. With `fresh`
  // they replace what is in the result.
  void add_weight_gradient(int64_t pass, int64_t slots, const T* sum, int64_t image, bool fresh) {
    const T *before[kKept], *after[kKept];
    for (int64_t slot = 0; slot < slots; ++slot) {
      before[slot] = state_of(f_, *states_, pass + slots - 1 - slot, image);
      after[slot] = state_of(f_, *states_, pass + slots - slot, image);
    }
    const WeightGradient<T> gradient{f_, slots_, before, after, slots};
    by_strips(f_, threads_, [&](const Strip& strip, int thread) {
      const auto [y, first, end] = strip;
      T* const block = rooms_.block(thread).data;
      T* const averages = rooms_.averages(thread);
      for (int64_t x = first; x < end; ++x) averages[x - first] = sum[y * f_.width + x] != 0 ? gradient.own(y, x) : 0;
      // A few pixels at a time, all of whose maps stay in the nearest cache.
      for (int64_t x = first; x < end; x += kTogether)
        for (int64_t dy = f_.first_step(y, f_.reach_y); dy <= f_.last_step(y, f_.reach_y, f_.height); ++dy)
          gradient.put_row({y, x, smaller(end, x + kTogether)}, dy, block + (x - first) * f_.count);
      for (int64_t x = first; x < end; ++x) finish(block + (x - first) * f_.count, averages[x - first], y, x);
      add_block(block, strip, image, fresh);
    });
  }

  // Takes the average off the dots of the pixel (y, x), and makes 0 what points outside.
  void finish(T* dots, T average, int64_t y, int64_t x) const {
    if (f_.whole_window(y, f_.reach_y, f_.height) && f_.whole_window(x, f_.reach_x, f_.width)) {
      for (int64_t k = 0; k < f_.count; ++k) dots[k] -= average;
      return;
    }
    const int64_t first_dy = f_.first_step(y, f_.reach_y), last_dy = f_.last_step(y, f_.reach_y, f_.height);
    const int64_t first_dx = f_.first_step(x, f_.reach_x), last_dx = f_.last_step(x, f_.reach_x, f_.width);
    for (int64_t dy = -f_.half; dy <= f_.half; ++dy)
      for (int64_t dx = -f_.half; dx <= f_.half; ++dx) {
        const bool inside = dy >= first_dy && dy <= last_dy && dx >= first_dx && dx <= last_dx;
        T& dot = dots[f_.neighbour(dy, dx)];
        dot = inside ? dot - average : 0;
      }
  }

  void add_block(const T* block, const Strip& strip, int64_t image, bool fresh) const {
    const auto [y, first, end] = strip;
    const Tensor& result = *grad_weights_;
    const int64_t step = result.stride[1];
    for (int64_t x = first; x < end; ++x) {
      T* const to =
          static_cast<T*>(result.data) + image * result.stride[0] + y * result.stride[2] + x * result.stride[3];
      const T* const from = block + (x - first) * f_.count;
      if (fresh) {
        for (int64_t k = 0; k < f_.count; ++k) to[k * step] = from[k];
      } else {
        for (int64_t k = 0; k < f_.count; ++k) to[k * step] += from[k];
      }
    }
  }

  const Filter<T>& f_;
  int64_t passes_;
  Threads threads_;
  const Tensor* states_;
  const Tensor* grad_weights_;
  int64_t kept_;
  Maps gradients_;
  Scratch scales_;
  Rooms<T> rooms_;
  T *scale_, *ones_;
  T* slots_[kKept + 1];
};

template <typename T>
void backward(const Tensor& grad, const Tensor& weights, const Tensor& sums, const Tensor* states, const Window& window,
              int64_t passes, Threads threads, const Tensor& grad_scores, const Tensor* grad_weights) {
  const Filter<T> f(grad, window, states != nullptr ? states->shape[1] : 0);
  if (f.channels == 0 && grad_weights != nullptr) set_zero<T>(*grad_weights);
  if (f.empty()) return;
  Backward<T> way_back(f, passes, threads, states, grad_weights);
  for (int64_t image = 0; image < f.batch; ++image) way_back.run(grad, weights, sums, image, grad_scores);
}

}  // namespace

void local_filter(const Tensor& scores, const Tensor& weights, const Window& window, int64_t passes, bool normalize,
                  Threads threads, const Tensor& result, const Tensor& sums, const Tensor* states) {
  with_sums(sums.type, [&](auto zero) {
    forward<decltype(zero)>(scores, weights, window, passes, normalize, threads, result, sums, states);
  });
}

void local_filter_backward(const Tensor& grad, const Tensor& weights, const Tensor& sums, const Tensor* states,
                           const Window& window, int64_t passes, Threads threads, const Tensor& grad_scores,
                           const Tensor* grad_weights) {
  with_sums(sums.type, [&](auto zero) {
    backward<decltype(zero)>(grad, weights, sums, states, window, passes, threads, grad_scores, grad_weights);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
