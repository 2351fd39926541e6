// The thin parts of an image's labels: pixels that lie in no diamond of 13 pixels of one label.
#pragma once

#include "parallel.h"
#include "vector.h"

namespace crispseg::CRISPSEG_LEVEL {

constexpr int32_t kAny = -1;  // the label of pixels without shares

// Loops over rows, apart so that the compiler knows that what they write is not what they read.
inline void only_equal(const int32_t* __restrict one, const int32_t* __restrict other, int64_t count,
                       int32_t* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] &= (one[i] == other[i] ? 1 : 0) | (other[i] == kAny ? 1 : 0);
}

inline void only_zero(const int32_t* __restrict from, int64_t count, int32_t* __restrict to) {
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

}  // namespace crispseg::CRISPSEG_LEVEL
