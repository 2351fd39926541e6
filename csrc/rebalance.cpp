#include "kernels.h"
#include "rows.h"
#include "tasks.h"
#include "thin_parts.h"

namespace crispseg::CRISPSEG_LEVEL {

namespace {

constexpr int64_t kBand = 16;  // rows of a task that goes along them
constexpr int64_t kAhead = 8;  // how many rows of a tile before their use they are asked for

template <typename T>
CRISPSEG_INLINE void add_run(T* to, const T* from, int64_t elements) {
  for (int64_t i = 0; i < elements; i += kLanes<T>) store<T>(to + i, load(to + i) + load(from + i));
}

// Sums of the last `count` rows of `length` elements, as rows come: of those of a block of rows up to the last one, and
// of those that remain of the block before. So nothing is subtracted.
template <typename T>
class RunningSums {
 public:
  static int64_t elements(int64_t count, int64_t length) { return (count + 2) * length; }

  RunningSums(int64_t count, int64_t length, T* memory)
      : count_(count), length_(length), rest_(memory), block_(memory + (count + 1) * length) {
    for (int64_t i = 0; i < elements(count, length); ++i) memory[i] = 0;
  }

  void take(const T* row, T* total) {
    T* const mine = rest_ + at_ * length_;
    for (int64_t i = 0; i < length_; i += kLanes<T>) {
      const Vector<T> here = load(row + i), block = load(block_ + i) + here;
      store<T>(mine + i, here);
      store<T>(block_ + i, block);
      store<T>(total + i, load(mine + length_ + i) + block);
    }
    if (++at_ == count_) start_block();
  }

 private:
  void start_block() {
    for (int64_t n = count_ - 2; n >= 0; --n) add_run(rest_ + n * length_, rest_ + (n + 1) * length_, length_);
    for (int64_t i = 0; i < length_; ++i) block_[i] = 0;
    at_ = 0;
  }

  int64_t count_, length_, at_ = 0;  // how many rows of a block came
  T* rest_;   // rows of this block, then of the one before their sums with those that follow, then a row of zeros
  T* block_;  // the sums of this block
};

// A square around each pixel. Beyond `farthest` there is no pixel in any direction.
template <typename T>
struct Square {
  Square(int64_t reach, int64_t farthest)
      : radius(smaller(reach, farthest)),
        count(2 * radius + 1),
        pixels(static_cast<T>((2 * reach + 1) * (2 * reach + 1) + 1)) {}

  int64_t radius, count;
  T pixels;  // and the pixel itself once more
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
  Rebalance(const Tensor& before, const Tensor& after, Guard guard, Threads threads, const Tensor& result)
      : before_(before),
        after_(after),
        result_(result),
        channels_(before.shape[1]),
        height_(before.shape[2]),
        width_(before.shape[3]),
        count_(guard.small == guard.large ? 1 : 2),
        squares_{{guard.large, larger(height_, width_)}, {guard.small, larger(height_, width_)}},
        exponent_(static_cast<T>(guard.strength / (1 - guard.strength) / count_)),
        most_(static_cast<T>(count_ == 1 ? kRarest : kRarest * kRarest)),
        kept_(static_cast<T>(guard.keep_thin)),
        tile_(best_tile(threads)),
        thin_(kept_ > 0 ? height_ : 0, width_, round_up(width_, 64)) {}

  void run(int64_t image, Threads threads) const {
    if (kept_ > 0) {
      const Scratch rows(2 * width_ * threads * kBytes);
      over_rows(threads, [&](int64_t y, int thread) {
        T* const row = static_cast<T*>(rows.data()) + 2 * thread * width_;
        choose(image, y, row, row + width_);
      });
      over_rows(threads, [&](int64_t y, int) { thin_.find_whole(y); });
      over_rows(threads, [&](int64_t y, int) { thin_.find_thin(y); });
    }
    const int64_t tiles = ceil_div(width_, tile_), high = height_ * tile_, wide = squares_[0].count + 2 * tile_;
    const int64_t running[2] = {RunningSums<T>::elements(squares_[0].count, tile_),
                                RunningSums<T>::elements(squares_[1].count, tile_)};
    const int64_t elements = round_up((channels_ + 4) * high + running[0] + running[1] + wide + 5 * tile_, 64);
    const Scratch memory(elements * smaller<int64_t>(threads, tiles) * kBytes);
    run_tasks(tiles, threads, [&](int64_t task, int thread) {
      T* next = static_cast<T*>(memory.data()) + thread * elements;
      const auto room = [&](int64_t count) { return (next += count) - count; };
      const int64_t left = task * tile_, wanted = smaller(tile_, width_ - left);
      go_down(image, {left, wanted, round_up(wanted, kLanes<T>)},
              {room(channels_ * high),
               {room(high), room(high)},
               {room(running[0]), room(running[1])},
               {room(tile_), room(tile_)},
               room(high),
               room(high),
               room(tile_),
               room(2 * tile_),
               room(wide)});
    });
  }

 private:
  static constexpr int64_t kBytes = sizeof(T);

  // Columns of a task, as many as wanted, and how long their rows are with what fills the last vector.
  struct Columns {
    int64_t left, wanted, length;
  };

  // One thread's memory. Maps are of the columns of a task.
  struct Work {
    T* kept;                               // for each channel, what is kept of its shares
    T *along[2], *running[2], *around[2];  // sums along rows, and in squares around the pixels of a row
    T *sums, *kept_sums;
    T *zeros, *row, *wide;
  };

  // How many columns of a task take the least time: columns beside them are summed again. No sum depends on it.
  int64_t best_tile(Threads threads) const {
    constexpr int64_t kNarrow = 64, kWide = 128;
    const auto time = [&](int64_t tile) {
      return ceil_div(ceil_div(width_, tile), int64_t{threads}) * (tile + squares_[0].radius);
    };
    return time(kNarrow) < time(kWide) ? kNarrow : kWide;
  }

  int64_t offset(const Tensor& map, int64_t image, int64_t c, int64_t y, int64_t x) const {
    return image * map.stride[0] + c * map.stride[1] + y * map.stride[2] + x * map.stride[3];
  }

  template <typename Run>
  void over_rows(Threads threads, const Run& run) const {
    run_tasks(ceil_div(height_, kBand), threads, [&](int64_t task, int thread) {
      for (int64_t y = task * kBand; y < smaller(height_, (task + 1) * kBand); ++y) run(y, thread);
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
    T* const before = row + tile_;
    load_strip(before_, offset(before_, image, c, y, left), before_.stride[3], wanted, before);
    for (int64_t i = 0; i < wanted; ++i) row[i] = thin[i] != 0 ? row[i] + kept_ * (before[i] - row[i]) : row[i];
  }

  // Sums of a row of the shares before the filter, in each square: from sums of 1, 2, 4, … elements.
  void sum_along(int64_t image, int64_t c, int64_t y, const Columns& columns, const Work& work) const {
    const Square<T>& large = squares_[0];
    const auto [left, wanted, length] = columns;
    const int64_t origin = left - large.radius, first = larger<int64_t>(origin, 0);
    const int64_t end = smaller(left + wanted + large.radius, width_), at = offset(before_, image, c, y, first);
    if (y + kAhead < height_) ask_for(before_, at + kAhead * before_.stride[2], end - first);
    for (int64_t i = 0; i < first - origin; ++i) work.wide[i] = 0;
    load_strip(before_, at, before_.stride[3], end - first, work.wide + first - origin);
    int64_t elements = length + large.count - 1, done[2];
    for (int64_t i = end - origin; i < elements + kLanes<T>; ++i) work.wide[i] = 0;
    for (int n = 0; n < count_; ++n) {
      done[n] = large.radius - squares_[n].radius;
      for (int64_t i = 0; i < length; ++i) work.along[n][y * length + i] = 0;
    }
    for (int64_t power = 1;; power *= 2) {
      for (int n = 0; n < count_; ++n)
        if ((squares_[n].count & power) != 0)
          add_run(work.along[n] + y * length, work.wide + done[n], length), done[n] += power;
      if (2 * power > large.count) return;
      elements -= power;
      add_run(work.wide, work.wide + power, elements);
    }
  }

  // Sums down the columns of a task, and what follows from them.
  void go_down(int64_t image, const Columns& columns, const Work& work) const {
    const auto [left, wanted, length] = columns;
    const int64_t map = height_ * length;
    for (int64_t i = 0; i < map; ++i) work.sums[i] = work.kept_sums[i] = 0;
    for (int64_t i = 0; i < length; ++i) work.row[i] = work.zeros[i] = 0;
    for (int64_t c = 0; c < channels_; ++c) {
      for (int64_t y = 0; y < height_; ++y) sum_along(image, c, y, columns, work);
      RunningSums<T> running[2] = {{squares_[0].count, length, work.running[0]},
                                   {squares_[1].count, length, work.running[1]}};
      const auto take = [&](int n, int64_t y) {
        running[n].take(y < height_ ? work.along[n] + y * length : work.zeros, work.around[n]);
      };
      for (int n = 0; n < count_; ++n)
        for (int64_t y = 0; y < squares_[n].radius; ++y) take(n, y);
      for (int64_t y = 0; y < height_; ++y) {
        for (int n = 0; n < count_; ++n) take(n, y + squares_[n].radius);
        if (y + kAhead < height_) ask_for(after_, offset(after_, image, c, y + kAhead, left), wanted);
        load_kept(image, c, y, left, wanted, work.row);
        for (int64_t i = 0; i < length; i += kLanes<T>) {
          const int64_t at = y * length + i;
          const Vector<T> shares = load(work.row + i), kept = kept_of(shares, work, i);
          store<T>(work.sums + at, load(work.sums + at) + shares);
          store<T>(work.kept_sums + at, load(work.kept_sums + at) + kept);
          store<T>(work.kept + c * map + at, kept);
        }
      }
    }
    for (int64_t i = 0; i < map; ++i) work.sums[i] = work.kept_sums[i] > 0 ? work.sums[i] / work.kept_sums[i] : 1;
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t y = 0; y < height_; ++y) {
        const T *const kept = work.kept + c * map + y * length, *const scale = work.sums + y * length;
        for (int64_t i = 0; i < length; ++i) work.row[i] = kept[i] * scale[i];
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

  const Tensor &before_, &after_, &result_;
  int64_t channels_, height_, width_;
  int count_;  // of squares
  Square<T> squares_[2];
  T exponent_, most_, kept_;
  int64_t tile_;
  ThinParts thin_;
};

}  // namespace

void rebalance(const Tensor& before, const Tensor& after, Guard guard, Threads threads, const Tensor& result) {
  if (before.shape[1] == 0 || before.shape[2] == 0 || before.shape[3] == 0) return;
  with_sums(before.type == Type::kFloat64 ? before.type : after.type, [&](auto zero) {
    const Rebalance<decltype(zero)> rebalance(before, after, guard, threads, result);
    for (int64_t image = 0; image < before.shape[0]; ++image) rebalance.run(image, threads);
  });
}

}  // namespace crispseg::CRISPSEG_LEVEL
