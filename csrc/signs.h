// Sums of coefficients with the signs of differences: the gradient of L1 distances, and most of its time.
//
// A difference of equal numbers must be +0 here: then the bits of a float, read as an integer, have its sign and are 0
// only where it is. That holds where the number subtracted from is not -0.
#pragma once

#include "vector.h"

namespace crispseg::CRISPSEG_LEVEL {

// What counts signs. Sixteen bits are enough for usual windows, and AVX2 packs differences to them.
#ifdef __AVX2__
template <typename T>
using Count = std::conditional_t<sizeof(T) == 4, int16_t, Integer<T>>;
#else
template <typename T>
using Count = Integer<T>;
#endif

// A channel in the columns that one vector of coefficients stands for.
template <typename T, typename C>
struct Columns {
  static constexpr int kParts = sizeof(T) / sizeof(C);
  Narrow<T> part[kParts];

  CRISPSEG_INLINE void load(const T* from) {
    for (int i = 0; i < kParts; ++i) part[i] = CRISPSEG_LEVEL::load<T, kNarrowBytes>(from + i * kNarrowLanes<T>);
  }
  CRISPSEG_INLINE void clear_negative_zero() {
    for (int i = 0; i < kParts; ++i) part[i] += Narrow<T>{};
  }
};

// Vectors of coefficients in the order in which differences are packed. Twice in a row changes nothing.
template <typename C>
CRISPSEG_INLINE Narrow<C> packed_order(Narrow<C> v) {
#ifdef __AVX2__
  if constexpr (sizeof(C) == 2) return (Narrow<C>)_mm256_permute4x64_epi64((__m256i)v, 0xd8);
#endif
  return v;
}

// sum + coefficient · sign(own - other), in whole numbers.
template <typename T, typename C, std::enable_if_t<std::is_integral_v<C>, int> = 0>
CRISPSEG_INLINE Narrow<C> add_signed(Narrow<C> sum, Narrow<C> coefficient, const Columns<T, C>& own,
                                     const Columns<T, C>& other) {
  if constexpr (sizeof(C) < sizeof(T)) {
#ifdef __AVX2__
    const auto low = own.part[0] - other.part[0], high = own.part[1] - other.part[1];
    const __m256i signs = _mm256_packs_epi32((__m256i)low, (__m256i)high);
    return (Narrow<C>)_mm256_add_epi16((__m256i)sum, _mm256_sign_epi16((__m256i)coefficient, signs));
#endif
  } else {
    // Sums wrap around in lanes past the end of a strip, whose results no one keeps.
    using Wrapping = Narrow<std::make_unsigned_t<C>>;
    const Narrow<T> difference = own.part[0] - other.part[0];
    const Wrapping up = (Wrapping)((difference > 0) & coefficient), down = (Wrapping)((difference < 0) & coefficient);
    return (Narrow<C>)((Wrapping)sum + up - down);
  }
}

// The same in floats.
template <typename T>
CRISPSEG_INLINE Narrow<T> add_signed(Narrow<T> sum, Narrow<T> coefficient, const Columns<T, T>& own,
                                     const Columns<T, T>& other) {
  const Narrow<T> difference = own.part[0] - other.part[0];
#ifdef __AVX2__
  if constexpr (sizeof(T) == 4) {
    const __m256i sign = _mm256_sign_epi32(_mm256_set1_epi32(1), (__m256i)difference);
    return sum + coefficient * (Narrow<T>)_mm256_cvtepi32_ps(sign);
  }
#endif
  using Bits = Narrow<Integer<T>>;
  const Integer<T> sign = static_cast<Integer<T>>(uint64_t{1} << (8 * sizeof(T) - 1));
  return sum + (Narrow<T>)(((Bits)coefficient ^ ((Bits)difference & sign)) & (difference != 0));
}

}  // namespace crispseg::CRISPSEG_LEVEL
