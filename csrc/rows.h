// Rows of tensors, in and out: any dtype and any strides outside, plain floats side by side inside.
#pragma once

#include <cstring>
#include <type_traits>

#include "squares.h"
#include "tensor.h"

namespace crispseg::CRISPSEG_LEVEL {

struct Half {
  uint16_t bits;
};

struct BFloat16 {
  uint16_t bits;
};

CRISPSEG_INLINE float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

CRISPSEG_INLINE uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <typename T, typename S>
CRISPSEG_INLINE T widened(S value) {
  return static_cast<T>(value);
}

template <typename T>
CRISPSEG_INLINE T widened(BFloat16 value) {
  return static_cast<T>(from_bits(uint32_t{value.bits} << 16));
}

template <typename T>
CRISPSEG_INLINE T widened(Half value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16;
  const uint32_t rest = uint32_t{value.bits & 0x7fffu} << 13;
  // A product moves the exponent, and makes subnormal halves normal on the way. Infinity and NaN keep their exponent.
  const float magnitude = rest >= (0x7c00u << 13) ? from_bits(rest | 0x7f800000u) : from_bits(rest) * 0x1p112f;
  return static_cast<T>(from_bits(to_bits(magnitude) | sign));
}

template <typename S>
struct Rounded {
  template <typename T>
  static CRISPSEG_INLINE S from(T value) {
    return static_cast<S>(value);
  }
};

template <>
struct Rounded<BFloat16> {
  template <typename T>
  static CRISPSEG_INLINE BFloat16 from(T value) {
    const uint32_t bits = to_bits(static_cast<float>(value));
    const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);  // to the nearest, ties to even
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return {static_cast<uint16_t>(nan ? 0x7fc0u : rounded >> 16)};
  }
};

template <>
struct Rounded<Half> {
  template <typename T>
  static CRISPSEG_INLINE Half from(T value) {
    const uint32_t bits = to_bits(static_cast<float>(value));
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
    if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds beyond 65504
    if (magnitude < 0x38800000u) {                                                 // subnormal: the sum rounds
      const uint32_t rounded = to_bits(from_bits(magnitude) + 0.5f) - to_bits(0.5f);
      return {static_cast<uint16_t>(sign | rounded)};
    }
    const uint32_t rounded = magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u);
    return {static_cast<uint16_t>(sign | (rounded >> 13))};
  }
};

// Calls f with a pointer to the first element, typed.
template <typename F>
CRISPSEG_INLINE void with_elements(const Tensor& tensor, F f) {
  switch (tensor.type) {
    case Type::kFloat64:
      return f(static_cast<double*>(tensor.data));
    case Type::kFloat32:
      return f(static_cast<float*>(tensor.data));
    case Type::kFloat16:
      return f(static_cast<Half*>(tensor.data));
    case Type::kBFloat16:
      return f(static_cast<BFloat16*>(tensor.data));
    default:
      return;
  }
}

// Calls f with a zero of the type that sums have: double for float64 tensors, float for all others.
//
// Only the narrowest level has doubles, and the binding sends float64 there: few want them to be fast.
template <typename F>
CRISPSEG_INLINE auto with_sums(Type type, F f) {
  if constexpr (kVectorBytes == 16) {
    if (type == Type::kFloat64) return f(double{});
  }
  (void)type;
  return f(float{});
}

template <typename T>
constexpr Type kTypeOf = sizeof(T) == 8 ? Type::kFloat64 : Type::kFloat32;

// Asks for elements that will be read soon, into a core's second cache. Beyond memory that is mapped the processor
// ignores it. Inlined always: a function that does nothing else counts as doing nothing for GCC.
template <typename S>
CRISPSEG_INLINE void ask_for_run(const S* elements, int64_t count) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof *elements);
  for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(elements + i, 0, 2);
}

CRISPSEG_INLINE void ask_for(const Tensor& tensor, int64_t offset, int64_t count) {
  with_elements(tensor,
                [=](const auto* elements) __attribute__((always_inline)) { ask_for_run(elements + offset, count); });
}

// out[i] = element at offset + i · step.
template <typename T>
CRISPSEG_SHARED void load_strip(const Tensor& tensor, int64_t offset, int64_t step, int64_t count, T* out) {
  with_elements(tensor, [=](const auto* elements) {
    const auto* from = elements + offset;
    if (step == 1) {
      for (int64_t i = 0; i < count; ++i) out[i] = widened<T>(from[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) out[i] = widened<T>(from[i * step]);
    }
  });
}

// Element at offset + i · step = in[i].
template <typename T>
CRISPSEG_SHARED void store_strip(const Tensor& tensor, int64_t offset, int64_t step, int64_t count, const T* in) {
  with_elements(tensor, [=](auto* elements) {
    auto* to = elements + offset;
    using S = std::remove_pointer_t<decltype(to)>;
    if (step == 1) {
      for (int64_t i = 0; i < count; ++i) to[i] = Rounded<S>::from(in[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i * step] = Rounded<S>::from(in[i]);
    }
  });
}

// The strip itself where the tensor holds T side by side, else a converted copy in `room`.
template <typename T>
inline const T* strip(const Tensor& tensor, int64_t offset, int64_t step, int64_t count, T* room) {
  if (tensor.type == kTypeOf<T> && (step == 1 || count <= 1)) return static_cast<const T*>(tensor.data) + offset;
  load_strip(tensor, offset, step, count, room);
  return room;
}

// out[i] = element i from `from` on, as T.
template <typename T, typename S>
CRISPSEG_INLINE Vector<T> load_widened(const S* from) {
  if constexpr (std::is_same_v<S, T>) {
    return load(from);
  } else {
    T room[kLanes<T>];
    for (int64_t i = 0; i < kLanes<T>; ++i) room[i] = widened<T>(from[i]);
    return load(room);
  }
}

template <typename T, typename S>
CRISPSEG_INLINE void store_rounded(S* to, Vector<T> v) {
  if constexpr (std::is_same_v<S, T>) {
    store<T>(to, v);
  } else {
    for (int64_t i = 0; i < kLanes<T>; ++i) to[i] = Rounded<S>::from(v[i]);
  }
}

// to[c · to_pitch + r] = from[r · from_pitch + c]: whole squares in registers, and single elements where none fits.
template <typename From, typename To, typename T>
CRISPSEG_SHARED void transpose(const From* from, int64_t from_pitch, int64_t rows, int64_t columns, To* to,
                               int64_t to_pitch, T) {
  constexpr int64_t kSide = kLanes<T>;
  if (rows < kSide || columns < kSide) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        to[c * to_pitch + r] = Rounded<To>::from(widened<T>(from[r * from_pitch + c]));
    return;
  }
  for (int64_t r0 = 0; r0 < rows; r0 += kSide) {
    const int64_t r = smaller(r0, rows - kSide);  // the last square overlaps the one before
    for (int64_t c0 = 0; c0 < columns; c0 += kSide) {
      const int64_t c = smaller(c0, columns - kSide);
      Vector<T> square[kSide];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kSide; ++i) square[i] = load_widened<T>(from + (r + i) * from_pitch + c);
      transpose_square(square);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kSide; ++i) store_rounded<T>(to + (c + i) * to_pitch + r, square[i]);
    }
  }
}

// planes[c · pitch + i] = channel c of the element at offset + i · step. Channels become rows of their own.
template <typename T>
void load_planes(const Tensor& tensor, int64_t offset, int64_t step, int64_t count, int64_t channels, T* planes,
                 int64_t pitch) {
  const int64_t channel_step = tensor.stride[1];
  if (channel_step != 1 || step == 1) {
    for (int64_t c = 0; c < channels; ++c)
      load_strip(tensor, offset + c * channel_step, step, count, planes + c * pitch);
    return;
  }
  with_elements(tensor,
                [=](const auto* elements) { transpose(elements + offset, step, count, channels, planes, pitch, T{}); });
}

// The way back.
template <typename T>
void store_planes(const Tensor& tensor, int64_t offset, int64_t step, int64_t count, int64_t channels, const T* planes,
                  int64_t pitch) {
  const int64_t channel_step = tensor.stride[1];
  if (channel_step != 1 || step == 1) {
    for (int64_t c = 0; c < channels; ++c)
      store_strip(tensor, offset + c * channel_step, step, count, planes + c * pitch);
    return;
  }
  with_elements(tensor,
                [=](auto* elements) { transpose(planes, pitch, channels, count, elements + offset, step, T{}); });
}

}  // namespace crispseg::CRISPSEG_LEVEL
