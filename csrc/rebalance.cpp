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

// A square around each pixel, and the sums of shares in it.
template <typename T>
struct Square {
  Square(int64_t radius, int64_t elements)
      : radius(radius), count(2 * radius + 1), pixels(static_cast<T>(count * count + 1)), map(elements * sizeof(T)) {}

  int64_t radius, count;
  T pixels;     // and the pixel itself once more
  Scratch map;  // sums along rows; in the first square, then what is kept of the shares
};

template <typename T>
Vector<T> held(Vector<T> v) {
  constexpr T kTiny = static_cast<T>(0x1p-120);
  return v < kTiny ? fill(kTiny) : v;
}

template <typename T>
class Rebalance {
 public:
  Rebalance(const Tensor& before, const Tensor& after, double guard, Radii radii, const Tensor& result)
      : before_(before),
        after_(after),
        result_(result),
        channels_(before.shape[1]),
        height_(before.shape[2]),
        width_(before.shape[3]),
        pitch_(round_up(width_, kTile)),
        radius_(radii.large),
        count_(radii.small == radii.large ? 1 : 2),
        squares_{{radii.large, channels_ * height_ * pitch_},
                 {radii.small, (count_ - 1) * channels_ * height_ * pitch_}},
        exponent_(static_cast<T>(guard / (1 - guard) / count_)) {}

  void run(int64_t image, Threads threads) const {
    const int64_t row_elements = round_up(pitch_ + 2 * radius_ + kLanes<T>, 64);
    const Scratch rows(2 * row_elements * threads * kBytes);
    run_tasks(ceil_div(height_, kBand), threads, [&](int64_t task, int thread) {
      T* const wide = static_cast<T*>(rows.data()) + 2 * thread * row_elements;
      for (int64_t y = task * kBand; y < smaller(height_, (task + 1) * kBand); ++y)
        for (int64_t c = 0; c < channels_; ++c)
          for (int n = 0; n < count_; ++n) sum_along(squares_[n], image, c, y, wide, wide + row_elements);
    });
    const int64_t tall = (height_ + 2 * radius_) * kTile + 64, high = height_ * kTile;
    const int64_t elements = tall + 4 * high + 2 * kTile;
    const Scratch columns(elements * threads * kBytes);
    run_tasks(pitch_ / kTile, threads, [&](int64_t task, int thread) {
      T* const memory = static_cast<T*>(columns.data()) + thread * elements;
      T* const after = memory + tall;
      go_down(image, task * kTile,
              {memory, {after, after + high}, after + 2 * high, after + 3 * high, after + 4 * high});
    });
  }

 private:
  static constexpr int64_t kBytes = sizeof(T);

  struct Work {
    T *wide, *around[2], *sums, *kept_sums, *row;
  };

  T* row_of(const Square<T>& square, int64_t c, int64_t y) const {
    return static_cast<T*>(square.map.data()) + (c * height_ + y) * pitch_;
  }
  T* kept_row(int64_t c, int64_t y) const { return row_of(squares_[0], c, y); }
  int64_t offset(const Tensor& map, int64_t image, int64_t c, int64_t y, int64_t x) const {
    return image * map.stride[0] + c * map.stride[1] + y * map.stride[2] + x * map.stride[3];
  }

  // Sums of a row of the shares before the filter.
  void sum_along(const Square<T>& square, int64_t image, int64_t c, int64_t y, T* wide, T* total) const {
    const int64_t radius = square.radius;
    for (int64_t i = 0; i < radius; ++i) wide[i] = 0;
    load_strip(before_, offset(before_, image, c, y, 0), before_.stride[3], width_, wide + radius);
    for (int64_t i = radius + width_; i < pitch_ + 2 * radius + kLanes<T>; ++i) wide[i] = 0;
    sum_windows(wide, pitch_, square.count, 1, total);
    for (int64_t i = 0; i < pitch_; ++i) row_of(square, c, y)[i] = total[i];
  }

  // Sums down the columns of a tile, and what follows from them.
  void go_down(int64_t image, int64_t left, const Work& work) const {
    const int64_t wanted = smaller(kTile, width_ - left);
    for (int64_t i = 0; i < height_ * kTile; ++i) work.sums[i] = work.kept_sums[i] = 0;
    for (int64_t i = 0; i < kTile; ++i) work.row[i] = 0;
    for (int64_t c = 0; c < channels_; ++c) {
      for (int n = 0; n < count_; ++n) sum_down(squares_[n], c, left, work.wide, work.around[n]);
      for (int64_t y = 0; y < height_; ++y) {
        if (y + kAhead < height_) ask_for(after_, offset(after_, image, c, y + kAhead, left), wanted);
        load_strip(after_, offset(after_, image, c, y, left), after_.stride[3], wanted, work.row);
        for (int64_t i = 0; i < kTile; i += kLanes<T>) {
          const int64_t at = y * kTile + i;
          const Vector<T> shares = load(work.row + i), kept = kept_of(shares, work, at);
          store<T>(work.sums + at, load(work.sums + at) + shares);
          store<T>(work.kept_sums + at, load(work.kept_sums + at) + kept);
          store<T>(kept_row(c, y) + left + i, kept);
        }
      }
    }
    for (int64_t i = 0; i < height_ * kTile; ++i)
      work.sums[i] = work.kept_sums[i] > 0 ? work.sums[i] / work.kept_sums[i] : 1;
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t y = 0; y < height_; ++y) {
        const T* const kept = kept_row(c, y) + left;
        for (int64_t i = 0; i < kTile; ++i) work.row[i] = kept[i] * work.sums[y * kTile + i];
        store_strip(result_, offset(result_, image, c, y, left), result_.stride[3], wanted, work.row);
      }
  }

  // Shares, divided by the geometric mean of their means in the squares to the power of the guard.
  Vector<T> kept_of(Vector<T> shares, const Work& work, int64_t at) const {
    Vector<T> ratio = fill(static_cast<T>(1));
    for (int n = 0; n < count_; ++n)
      ratio *= shares / held<T>((load(work.around[n] + at) + shares) / squares_[n].pixels);
    return shares * exponential(logarithm(held<T>(ratio)) * exponent_);
  }

  void sum_down(const Square<T>& square, int64_t c, int64_t left, T* wide, T* around) const {
    const int64_t beyond = square.radius * kTile;
    for (int64_t i = 0; i < beyond; ++i) wide[i] = wide[beyond + height_ * kTile + i] = 0;
    for (int64_t y = 0; y < height_; ++y) {
      if (y + kAhead < height_) ask_for_run(row_of(square, c, y + kAhead) + left, kTile);
      for (int64_t i = 0; i < kTile; ++i) wide[beyond + y * kTile + i] = row_of(square, c, y)[left + i];
    }
    sum_windows(wide, height_, square.count, kTile, around);
  }

  const Tensor &before_, &after_, &result_;
  int64_t channels_, height_, width_, pitch_, radius_;
  int count_;  // of squares
  Square<T> squares_[2];
  T exponent_;
};

}  // namespace

void rebalance(const Tensor& before, const Tensor& after, double guard, Radii radii, Threads threads,
               const Tensor& result) {
  if (before.shape[1] == 0 || before.shape[2] == 0 || before.shape[3] == 0) return;
  with_sums(before.type == Type::kFloat64 ? before.type : after.type, [&](auto zero) {
    const Rebalance<decltype(zero)> rebalance(before, after, guard, radii, result);
    for (int64_t image = 0; image < before.shape[0]; ++image) rebalance.run(image, threads);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
