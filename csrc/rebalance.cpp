#include "kernels.h"
#include "rows.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

constexpr int64_t kTile = 64;  // columns of a task that goes down an image
constexpr int64_t kBand = 16;  // rows of a task that goes along them
constexpr int64_t kAhead = 8;  // how many rows of a tile before their use they are asked for

// Sums of `count` elements, `step` apart, from each of length · step elements of `wide` on: from sums of 1, 2, 4, …
// elements, so that nothing is subtracted. `wide` holds count - 1 times `step` elements more, and is overwritten.
template <typename T>
void sum_windows(T* wide, int64_t length, int64_t count, int64_t step, T* total) {
  const auto add = [](T* to, const T* from, int64_t elements) {
    for (int64_t i = 0; i < elements; i += kLanes<T>) store<T>(to + i, load(to + i) + load(from + i));
  };
  for (int64_t i = 0; i < length * step; ++i) total[i] = 0;
  int64_t elements = length + count - 1, done = 0;
  for (int64_t power = 1;; add(wide, wide + power / 2 * step, elements * step)) {
    if ((count & power) != 0) add(total, wide + done * step, length * step), done += power;
    power *= 2;
    if (power > count) return;
    elements -= power / 2;
  }
}

// The powers of ratios of at least kTiny.
template <typename T>
struct Guard {
  static constexpr T kTiny = static_cast<T>(0x1p-120);
  T exponent, pixels;

  Vector<T> kept(Vector<T> shares, Vector<T> around) const {
    const auto held = [](Vector<T> v) { return v < kTiny ? fill(kTiny) : v; };
    const Vector<T> abundance = (around + shares) / pixels;
    return shares * exponential(logarithm(held(shares / held(abundance))) * exponent);
  }
};

template <typename T>
class Rebalance {
 public:
  Rebalance(const Tensor& before, const Tensor& after, double guard, int64_t radius, const Tensor& result)
      : before_(before),
        after_(after),
        result_(result),
        channels_(before.shape[1]),
        height_(before.shape[2]),
        width_(before.shape[3]),
        radius_(radius),
        guard_{static_cast<T>(guard / (1 - guard)), static_cast<T>(count() * count() + 1)},
        pitch_(round_up(width_, kTile)),
        map_(channels_ * height_ * pitch_ * kBytes) {}

  void run(int64_t image, Threads threads) const {
    const int64_t row_elements = round_up(pitch_ + 2 * radius_ + kLanes<T>, 64);
    const Scratch rows(2 * row_elements * threads * kBytes);
    run_tasks(ceil_div(height_, kBand), threads, [&](int64_t task, int thread) {
      T* const wide = static_cast<T*>(rows.data()) + 2 * thread * row_elements;
      for (int64_t y = task * kBand; y < smaller(height_, (task + 1) * kBand); ++y)
        for (int64_t c = 0; c < channels_; ++c) sum_along(image, c, y, wide, wide + row_elements);
    });
    const int64_t tall = (height_ + 2 * radius_) * kTile + 64, high = height_ * kTile;
    const Scratch columns((tall + 3 * high + 2 * kTile) * threads * kBytes);
    run_tasks(pitch_ / kTile, threads, [&](int64_t task, int thread) {
      T* const memory = static_cast<T*>(columns.data()) + thread * (tall + 3 * high + 2 * kTile);
      go_down(image, task * kTile,
              {memory, memory + tall, memory + tall + high, memory + tall + 2 * high, memory + tall + 3 * high});
    });
  }

 private:
  static constexpr int64_t kBytes = sizeof(T);

  struct Work {
    T *wide, *around, *sums, *kept_sums, *row;
  };

  int64_t count() const { return 2 * radius_ + 1; }
  T* row_of(int64_t c, int64_t y) const { return static_cast<T*>(map_.data()) + (c * height_ + y) * pitch_; }
  int64_t offset(const Tensor& map, int64_t image, int64_t c, int64_t y, int64_t x) const {
    return image * map.stride[0] + c * map.stride[1] + y * map.stride[2] + x * map.stride[3];
  }

  // Sums of a row of the shares before the filter.
  void sum_along(int64_t image, int64_t c, int64_t y, T* wide, T* total) const {
    for (int64_t i = 0; i < radius_; ++i) wide[i] = 0;
    load_strip(before_, offset(before_, image, c, y, 0), before_.stride[3], width_, wide + radius_);
    for (int64_t i = radius_ + width_; i < pitch_ + 2 * radius_ + kLanes<T>; ++i) wide[i] = 0;
    sum_windows(wide, pitch_, count(), 1, total);
    for (int64_t i = 0; i < pitch_; ++i) row_of(c, y)[i] = total[i];
  }

  // Sums down the columns of a tile, and what follows from them.
  void go_down(int64_t image, int64_t left, const Work& work) const {
    const int64_t wanted = smaller(kTile, width_ - left);
    for (int64_t i = 0; i < height_ * kTile; ++i) work.sums[i] = work.kept_sums[i] = 0;
    for (int64_t i = 0; i < kTile; ++i) work.row[i] = 0;
    for (int64_t c = 0; c < channels_; ++c) {
      sum_down(c, left, work);
      for (int64_t y = 0; y < height_; ++y) {
        if (y + kAhead < height_) ask_for(after_, offset(after_, image, c, y + kAhead, left), wanted);
        load_strip(after_, offset(after_, image, c, y, left), after_.stride[3], wanted, work.row);
        for (int64_t i = 0; i < kTile; i += kLanes<T>) {
          const int64_t at = y * kTile + i;
          const Vector<T> shares = load(work.row + i), kept = guard_.kept(shares, load(work.around + at));
          store<T>(work.sums + at, load(work.sums + at) + shares);
          store<T>(work.kept_sums + at, load(work.kept_sums + at) + kept);
          store<T>(row_of(c, y) + left + i, kept);
        }
      }
    }
    for (int64_t i = 0; i < height_ * kTile; ++i)
      work.sums[i] = work.kept_sums[i] > 0 ? work.sums[i] / work.kept_sums[i] : 1;
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t y = 0; y < height_; ++y) {
        const T* const kept = row_of(c, y) + left;
        for (int64_t i = 0; i < kTile; ++i) work.row[i] = kept[i] * work.sums[y * kTile + i];
        store_strip(result_, offset(result_, image, c, y, left), result_.stride[3], wanted, work.row);
      }
  }

  void sum_down(int64_t c, int64_t left, const Work& work) const {
    const int64_t beyond = radius_ * kTile;
    for (int64_t i = 0; i < beyond; ++i) work.wide[i] = work.wide[beyond + height_ * kTile + i] = 0;
    for (int64_t y = 0; y < height_; ++y) {
      if (y + kAhead < height_) ask_for_run(row_of(c, y + kAhead) + left, kTile);
      for (int64_t i = 0; i < kTile; ++i) work.wide[beyond + y * kTile + i] = row_of(c, y)[left + i];
    }
    sum_windows(work.wide, height_, count(), kTile, work.around);
  }

  const Tensor &before_, &after_, &result_;
  int64_t channels_, height_, width_, radius_;
  Guard<T> guard_;
  int64_t pitch_;
  Scratch map_;  // sums along rows, and then what is kept of the shares
};

}  // namespace

void rebalance(const Tensor& before, const Tensor& after, double guard, int64_t radius, Threads threads,
               const Tensor& result) {
  if (before.shape[1] == 0 || before.shape[2] == 0 || before.shape[3] == 0) return;
  with_sums(before.type == Type::kFloat64 ? before.type : after.type, [&](auto zero) {
    const Rebalance<decltype(zero)> rebalance(before, after, guard, radius, result);
    for (int64_t image = 0; image < before.shape[0]; ++image) rebalance.run(image, threads);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
