// Squares of elements, as many vectors as a vector has lanes, turned around in registers.
#pragma once

#include <utility>

#include "vector.h"

namespace crispseg::CRISPSEG_LEVEL {

// Lane i of two vectors whose rows are `kStep` apart, after rows and columns that differ in the bit `kStep` changed
// places: of the upper row (kLower = 0), or of the lower one.
template <int kLanes, int kStep, int kLower>
constexpr int mixed_lane(int i) {
  if (kLower == 0) return (i & kStep) == 0 ? i : kLanes + i - kStep;
  return (i & kStep) == 0 ? i + kStep : kLanes + i;
}

template <typename V, int kStep, int kLower, size_t... kIndices>
CRISPSEG_INLINE V mix(V upper, V lower, std::index_sequence<kIndices...>) {
  constexpr int kCount = sizeof...(kIndices);
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(upper, lower, mixed_lane<kCount, kStep, kLower>(kIndices)...);
#else
  V result = {};
  constexpr int kFrom[] = {mixed_lane<kCount, kStep, kLower>(kIndices)...};
  for (int i = 0; i < kCount; ++i) result[i] = kFrom[i] < kCount ? upper[kFrom[i]] : lower[kFrom[i] - kCount];
  return result;
#endif
}

// One bit of row and column at a time changes places.
template <typename V, int kStep, size_t... kIndices>
CRISPSEG_INLINE void transpose_by(V* rows, std::index_sequence<kIndices...> lanes) {
#pragma GCC unroll 16
  for (size_t i = 0; i < sizeof...(kIndices); ++i) {
    if ((i & kStep) != 0) continue;
    const V upper = rows[i], lower = rows[i + kStep];
    rows[i] = mix<V, kStep, 0>(upper, lower, lanes);
    rows[i + kStep] = mix<V, kStep, 1>(upper, lower, lanes);
  }
  if constexpr (kStep > 1) transpose_by<V, kStep / 2>(rows, lanes);
}

template <typename V>
CRISPSEG_INLINE void transpose_square(V* rows) {
  constexpr size_t kSide = sizeof(V) / sizeof(rows[0][0]);
  transpose_by<V, kSide / 2>(rows, std::make_index_sequence<kSide>());
}

}  // namespace crispseg::CRISPSEG_LEVEL
