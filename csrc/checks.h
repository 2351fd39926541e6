// Checks of arguments. Each says what was given and what was expected, as a std::invalid_argument.
#pragma once

#include <stdexcept>
#include <string>

#include "parallel.h"
#include "tensor.h"

namespace crispseg {

constexpr int64_t kLargestSide = int64_t{1} << 20;
constexpr int kMostThreads = 1024;
constexpr int64_t kMostPasses = int64_t{1} << 20;
constexpr int64_t kStateLanes = 8;  // channels of a state are a multiple: whole vectors at every level

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

inline void require(bool condition, const char* message) {
  if (!condition) refuse(message);
}

inline bool is_float(Type type) {
  return type == Type::kFloat64 || type == Type::kFloat32 || type == Type::kFloat16 || type == Type::kBFloat16;
}

inline int64_t element_bytes(Type type) {
  if (type == Type::kFloat64 || type == Type::kInt64) return 8;
  if (type == Type::kFloat32 || type == Type::kInt32) return 4;
  return type == Type::kBool ? 1 : 2;
}

// A floating-point (N, channels, H, W) tensor.
inline void require_map(const Tensor& tensor) {
  require(is_float(tensor.type), "a map is not of a floating-point dtype");
}

inline void require_shape(const char* name, const Tensor& tensor, int64_t n, int64_t c, int64_t h, int64_t w) {
  const int64_t expected[] = {n, c, h, w};
  for (int i = 0; i < 4; ++i) {
    if (tensor.shape[i] == expected[i]) continue;
    refuse(std::string(name) + " has " + std::to_string(tensor.shape[i]) + " elements along dimension " +
           std::to_string(i) + "; expected " + std::to_string(expected[i]));
  }
}

inline bool is_empty(const Tensor& tensor) {
  bool empty = false;
  for (const int64_t extent : tensor.shape) empty |= extent == 0;
  return empty;
}

inline bool is_dense(const Tensor& tensor, const int (&innermost_first)[4]) {
  if (is_empty(tensor)) return true;
  int64_t stride = 1;
  for (const int i : innermost_first) {
    if (tensor.shape[i] > 1 && tensor.stride[i] != stride) return false;
    stride *= tensor.shape[i];
  }
  return true;
}

inline void require_contiguous(const char* name, const Tensor& tensor) {
  if (!is_dense(tensor, {3, 2, 1, 0})) refuse(std::string(name) + " is not contiguous");
}

inline void require_channels_last(const char* name, const Tensor& tensor) {
  if (!is_dense(tensor, {1, 3, 2, 0})) refuse(std::string(name) + " is not channels-last");
}

// No two elements share memory, so that a kernel's threads may write them all.
inline void require_own_elements(const char* name, const Tensor& tensor) {
  if (is_empty(tensor)) return;
  for (int i = 0; i < 4; ++i) {
    if (tensor.shape[i] < 2) continue;
    int64_t span = 0;  // elements that the dimensions with smaller strides reach
    for (int j = 0; j < 4; ++j)
      if (j != i && tensor.shape[j] > 1 && tensor.stride[j] < tensor.stride[i])
        span += (tensor.shape[j] - 1) * tensor.stride[j];
    bool tied = false;
    for (int j = 0; j < 4; ++j) tied |= j != i && tensor.shape[j] > 1 && tensor.stride[j] == tensor.stride[i];
    if (tensor.stride[i] <= span || tied) refuse(std::string(name) + " has elements that share memory");
  }
}

inline Window checked_window(int64_t size, int64_t dilation, int64_t stride = 1) {
  require(size >= 1 && size % 2 == 1 && size <= kLargestSide, "window size is not an odd number up to 2^20");
  require(dilation >= 1 && dilation <= kLargestSide, "window dilation is not a number from 1 to 2^20");
  require(stride >= 1 && stride <= kLargestSide, "stride is not a number from 1 to 2^20");
  return {size, dilation, stride};
}

inline void require_norm(int norm) { require(norm == 1 || norm == 2, "norm is not 1 or 2"); }

inline int checked_threads(int threads) {
  require(threads >= 1, "threads is below 1");
  return threads < kMostThreads ? threads : kMostThreads;
}

inline int64_t centres(int64_t extent, int64_t stride) { return (extent + stride - 1) / stride; }

inline void require_pairs(const char* name, const Tensor& pairs, const Tensor& map, const Window& w) {
  require_shape(name, pairs, map.shape[0], w.size * w.size, centres(map.shape[2], w.stride),
                centres(map.shape[3], w.stride));
}

inline void require_like(const char* name, const Tensor& tensor, const Tensor& other) {
  require_shape(name, tensor, other.shape[0], other.shape[1], other.shape[2], other.shape[3]);
}

// A map that a kernel writes.
inline void require_output(const char* name, const Tensor& tensor) {
  require_map(tensor);
  require_own_elements(name, tensor);
  if (is_empty(tensor)) return;
  int64_t elements = 1;
  for (int i = 0; i < 4; ++i) elements += (tensor.shape[i] - 1) * (tensor.shape[i] > 1 ? tensor.stride[i] : 0);
  ask_for_large_pages(tensor.data, elements * element_bytes(tensor.type));
}

}  // namespace crispseg
