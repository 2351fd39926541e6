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

constexpr int32_t kAny = -1;  // the label of pixels without shares

// Loops over rows, apart so that the compiler knows that what they write is not what they read.
void only_equal(const int32_t* __restrict one, const int32_t* __restrict other, int64_t count, int32_t* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] &= (one[i] == other[i] ? 1 : 0) | (other[i] == kAny ? 1 : 0);
}

void only_zero(const int32_t* __restrict from, int64_t count, int32_t* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] &= from[i] ^ 1;
}

template <typename T>
void keep_larger(const T* __restrict row, int32_t label, int64_t count, T* __restrict best,
                 int32_t* __restrict labels) {
  for (int64_t i = 0; i < count; ++i) {
    labels[i] = row[i] > best[i] ? label : labels[i];
    best[i] = row[i] > best[i] ? row[i] : best[i];
  }
}

// The likeliest label of every pixel with shares, and which pixels are thin parts: in no diamond of 13 pixels of one
// label.
class ThinParts {
 public:
  ThinParts(int64_t height, int64_t width, int64_t pitch)
      : height_(height), width_(width), pitch_(pitch), maps_(3 * height * pitch * 4) {}

  int32_t* labels(int64_t y) const { return static_cast<int32_t*>(maps_.data()) + y * pitch_; }
  // Whether the diamond around a pixel of a row has one label; then, whether the pixel is thin.
  int32_t* whole(int64_t y) const { return labels(height_ + y); }
  int32_t* thin(int64_t y) const { return labels(2 * height_ + y); }

  // Both are for a row of an image whose rows have what they read.
  void find_whole(int64_t y) const {
    int32_t* const to = whole(y);
    for (int64_t x = 0; x < width_; ++x) to[x] = labels(y)[x] == kAny ? 0 : 1;
    over_diamond(y, [=](int64_t other, int64_t step, int64_t from, int64_t count) {
      only_equal(labels(y) + from, labels(other) + from + step, count, to + from);
    });
  }
  void find_thin(int64_t y) const {
    int32_t* const to = thin(y);
    for (int64_t x = 0; x < width_; ++x) to[x] = 1;
    over_diamond(y, [=](int64_t other, int64_t step, int64_t from, int64_t count) {
      only_zero(whole(other) + from + step, count, to + from);
    });
  }

 private:
  // Calls with each row and step along it of a diamond, and from which column on how many of them lie in the image.
  template <typename Call>
  void over_diamond(int64_t y, const Call& call) const {
    for (int64_t down = -kReach; down <= kReach; ++down) {
      if (y + down < 0 || y + down >= height_) continue;
      const int64_t wide = kReach - (down < 0 ? -down : down);
      for (int64_t step = -wide; step <= wide; ++step)
        call(y + down, step, step < 0 ? -step : 0, width_ - (step < 0 ? -step : step));
    }
  }

  static constexpr int64_t kReach = 2;
  int64_t height_, width_, pitch_;
  Scratch maps_;
};

// A square around each pixel, and the sums of shares in it.
template <typename T>
struct Square {
  Square(int64_t radius, int64_t elements)
      : radius(radius), count(2 * radius + 1), pixels(static_cast<T>(count * count + 1)), map(elements * sizeof(T)) {}

  int64_t radius, count;
  T pixels;     // and the pixel itself once more
  Scratch map;  // sums along rows; in the first square, then what is kept of the shares
};

constexpr double kRarest = 8;  // how many times as large as the abundance of its label a share counts at most

template <typename T>
Vector<T> held(Vector<T> v) {
  constexpr T kTiny = static_cast<T>(0x1p-120);
  return v < kTiny ? fill(kTiny) : v;
}

template <typename T>
class Rebalance {
 public:
  Rebalance(const Tensor& before, const Tensor& after, Guard guard, const Tensor& result)
      : before_(before),
        after_(after),
        result_(result),
        channels_(before.shape[1]),
        height_(before.shape[2]),
        width_(before.shape[3]),
        pitch_(round_up(width_, kTile)),
        radius_(guard.large),
        count_(guard.small == guard.large ? 1 : 2),
        squares_{{guard.large, channels_ * height_ * pitch_},
                 {guard.small, (count_ - 1) * channels_ * height_ * pitch_}},
        exponent_(static_cast<T>(guard.strength / (1 - guard.strength) / count_)),
        most_(static_cast<T>(count_ == 1 ? kRarest : kRarest * kRarest)),
        kept_(static_cast<T>(guard.keep_thin)),
        thin_(kept_ > 0 ? height_ : 0, width_, pitch_) {}

  void run(int64_t image, Threads threads) const {
    const int64_t row_elements = round_up(pitch_ + 2 * radius_ + kLanes<T>, 64);
    const Scratch rows(2 * row_elements * threads * kBytes);
    run_tasks(ceil_div(height_, kBand), threads, [&](int64_t task, int thread) {
      T* const wide = static_cast<T*>(rows.data()) + 2 * thread * row_elements;
      for (int64_t y = task * kBand; y < smaller(height_, (task + 1) * kBand); ++y) {
        for (int64_t c = 0; c < channels_; ++c)
          for (int n = 0; n < count_; ++n) sum_along(squares_[n], image, c, y, wide, wide + row_elements);
        if (kept_ > 0) choose(image, y, wide, wide + row_elements);
      }
    });
    if (kept_ > 0) {
      over_rows(threads, [&](int64_t y) { thin_.find_whole(y); });
      over_rows(threads, [&](int64_t y) { thin_.find_thin(y); });
    }
    const int64_t tall = (height_ + 2 * radius_) * kTile + 64, high = height_ * kTile;
    const int64_t elements = tall + 4 * high + 3 * kTile;
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

  template <typename Run>
  void over_rows(Threads threads, const Run& run) const {
    run_tasks(ceil_div(height_, kBand), threads, [&](int64_t task, int) {
      for (int64_t y = task * kBand; y < smaller(height_, (task + 1) * kBand); ++y) run(y);
    });
  }

  // The likeliest labels of a row of the shares before the filter; of equally likely ones, the first.
  void choose(int64_t image, int64_t y, T* row, T* best) const {
    int32_t* const labels = thin_.labels(y);
    for (int64_t x = 0; x < width_; ++x) best[x] = 0, labels[x] = kAny;
    for (int64_t c = 0; c < channels_; ++c) {
      load_strip(before_, offset(before_, image, c, y, 0), before_.stride[3], width_, row);
      keep_larger(row, static_cast<int32_t>(c), width_, best, labels);
    }
  }

  // Shares of a row of a tile after the filter, with what their thin parts keep of those before it.
  void load_kept(int64_t image, int64_t c, int64_t y, int64_t left, int64_t wanted, T* row) const {
    load_strip(after_, offset(after_, image, c, y, left), after_.stride[3], wanted, row);
    if (kept_ == 0) return;
    const int32_t* const thin = thin_.thin(y) + left;
    int32_t any = 0;
    for (int64_t i = 0; i < wanted; ++i) any |= thin[i];
    if (any == 0) return;
    T* const before = row + kTile;
    load_strip(before_, offset(before_, image, c, y, left), before_.stride[3], wanted, before);
    for (int64_t i = 0; i < wanted; ++i) row[i] = thin[i] != 0 ? row[i] + kept_ * (before[i] - row[i]) : row[i];
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
        load_kept(image, c, y, left, wanted, work.row);
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
    ratio = ratio > most_ ? fill(most_) : ratio;
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
  T exponent_, most_, kept_;
  ThinParts thin_;
};

}  // namespace

void rebalance(const Tensor& before, const Tensor& after, Guard guard, Threads threads, const Tensor& result) {
  if (before.shape[1] == 0 || before.shape[2] == 0 || before.shape[3] == 0) return;
  with_sums(before.type == Type::kFloat64 ? before.type : after.type, [&](auto zero) {
    const Rebalance<decltype(zero)> rebalance(before, after, guard, result);
    for (int64_t image = 0; image < before.shape[0]; ++image) rebalance.run(image, threads);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
