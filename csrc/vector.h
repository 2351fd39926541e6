// Vectors as wide as the level this file is compiled for. Every kernel is compiled once per level, in a namespace of
// its own, so that no function built for a wider processor can be linked into code for a narrower one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace crispseg::CRISPSEG_LEVEL {

#define CRISPSEG_INLINE inline __attribute__((always_inline))
// For what is called once per strip: one copy per file builds faster than one per caller.
#define CRISPSEG_SHARED inline __attribute__((noinline))

constexpr int kVectorBytes = CRISPSEG_VECTOR_BYTES;

template <typename T>
constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(T));

template <typename T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
  using type = int32_t;
};
template <>
struct IntegerOf<double> {
  using type = int64_t;
};
template <>
struct IntegerOf<int16_t> {
  using type = int16_t;
};
template <>
struct IntegerOf<int32_t> {
  using type = int32_t;
};
template <>
struct IntegerOf<int64_t> {
  using type = int64_t;
};

// The signed integer as wide as T.
template <typename T>
using Integer = typename IntegerOf<T>::type;

// The same without a sign: sums wrap around in lanes past the end of a strip, whose results no one keeps.
template <typename T>
using Unsigned = std::make_unsigned_t<Integer<T>>;

template <typename T, int kBytes = kVectorBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
  typedef T unaligned __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};

template <typename T, int kBytes = kVectorBytes>
using Vector = typename VectorOf<T, kBytes>::type;

// Vectors of at most 32 bytes: for what has to do with instructions that wider ones lack, or with less padding.
constexpr int kNarrowBytes = kVectorBytes < 32 ? kVectorBytes : 32;

template <typename T>
using Narrow = Vector<T, kNarrowBytes>;

template <typename T>
constexpr int64_t kNarrowLanes = kNarrowBytes / static_cast<int64_t>(sizeof(T));

template <typename T, int kBytes = kVectorBytes>
CRISPSEG_INLINE Vector<T, kBytes> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T, kBytes>::unaligned*>(p);
}

template <typename T, int kBytes = kVectorBytes>
CRISPSEG_INLINE void store(T* p, Vector<T, kBytes> v) {
  *reinterpret_cast<typename VectorOf<T, kBytes>::unaligned*>(p) = v;
}

template <typename T, int kBytes = kVectorBytes>
CRISPSEG_INLINE Vector<T, kBytes> fill(T value) {
  return value - Vector<T, kBytes>{};  // not a sum, which would turn -0 into 0 and cost an addition
}

template <typename T>
CRISPSEG_INLINE Vector<T> absolute(Vector<T> v) {
  const Integer<T> mask = static_cast<Integer<T>>(~(uint64_t{1} << (8 * sizeof(T) - 1)));
  return (Vector<T>)((Vector<Integer<T>>)v & mask);
}

template <typename V>
CRISPSEG_INLINE V square_root(V v) {
  for (size_t i = 0; i < sizeof(V) / sizeof(v[0]); ++i) v[i] = std::sqrt(v[i]);
  return v;
}

// exp(x) for x <= 0, to about one unit in the last place; below the smallest normal number it is 0. NaN stays NaN.
CRISPSEG_INLINE Vector<float> exponential(Vector<float> x) {
  // exp(x) = 2^n · exp(r) with n = round(x / ln 2); ln 2 in two parts keeps r exact.
  const float shift = 12582912.0f;  // 1.5 · 2^23: adding it rounds to a whole number in the low bits
  const Vector<float> rounded = x * 1.44269504088896341f + shift;
  const Vector<float> n = rounded - shift;
  const Vector<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector<float> p = fill(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  using Bits = Vector<uint32_t>;  // which may wrap around, where x is out of range or not a number
  const Bits exponent = ((Bits)rounded - (Bits)fill(shift) + 127) << 23;
  const Vector<float> result = p * (Vector<float>)exponent;
  return x < -87.0f ? fill(0.0f) : result;
}

// The logarithm of a normal number above 0, to about one unit in the last place.
CRISPSEG_INLINE Vector<float> logarithm(Vector<float> x) {
  // x = 2^n · (1 + r) with 1 + r from sqrt(1/2) to sqrt(2); log(1 + r) = 2 · artanh(r / (2 + r)).
  using Whole = Vector<int32_t>;
  const int32_t root = 0x3f3504f3;  // the bits of sqrt(1/2)
  const Whole bits = (Whole)x, steps = (bits - root) >> 23;
  const Vector<float> r = (Vector<float>)(bits - (steps << 23)) - 1.0f,
                      n = __builtin_convertvector(steps, Vector<float>);
  const Vector<float> s = r / (r + 2.0f), z = s * s;
  Vector<float> p = fill(2.0f / 9);
  p = p * z + 2.0f / 7;
  p = p * z + 2.0f / 5;
  p = p * z + 2.0f / 3;
  // r - s · (r - p · z), in which the rounding of s counts little; ln 2 in two parts, as above.
  return n * 0.693359375f + (r - s * (r - p * z) - n * 2.12194440e-4f);
}

CRISPSEG_INLINE Vector<double> logarithm(Vector<double> x) {
  for (int64_t i = 0; i < kLanes<double>; ++i) x[i] = std::log(x[i]);
  return x;
}

CRISPSEG_INLINE Vector<double> exponential(Vector<double> x) {
  for (int64_t i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
  return x;
}

template <typename T, int kBytes>
struct Halves {
  typedef T type __attribute__((vector_size(kBytes)));
  // The sum of all lanes, half of them added to the other half at each step.
  static CRISPSEG_INLINE T sum(type v) {
    if constexpr (kBytes == 2 * sizeof(T)) {
      return v[0] + v[1];
    } else {
      using Half = Halves<T, kBytes / 2>;
      typename Half::type halves[2];
      __builtin_memcpy(halves, &v, kBytes);
      return Half::sum(halves[0] + halves[1]);
    }
  }
};

template <typename T, int kBytes = kVectorBytes>
CRISPSEG_INLINE T sum(Vector<T, kBytes> v) {
  return Halves<T, kBytes>::sum(v);
}

template <typename T>
CRISPSEG_INLINE T sum_run(const T* run, int64_t count) {
  Vector<T> sums = {};
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) sums += load(run + i);
  T total = sum<T>(sums);
  for (; i < count; ++i) total += run[i];
  return total;
}

template <typename A>
constexpr A smaller(A a, A b) {
  return b < a ? b : a;
}

template <typename A>
constexpr A larger(A a, A b) {
  return a < b ? b : a;
}

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

constexpr int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -ceil_div(-a, b); }

constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace crispseg::CRISPSEG_LEVEL
