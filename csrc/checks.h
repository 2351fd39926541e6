// Checks of what Python hands over. Each says what was given and what was expected, as a ValueError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>

#include "parallel.h"
#include "tensor.h"

namespace crispseg {

namespace nb = nanobind;

using Array = nb::ndarray<nb::device::cpu>;

constexpr int64_t kLargestSide = int64_t{1} << 20;
constexpr int kMostThreads = 1024;
constexpr int64_t kMostPasses = int64_t{1} << 20;
constexpr int64_t kStateLanes = 8;  // channels of a state are a multiple: whole vectors at every level

[[noreturn]] inline void refuse(const std::string& message) { throw nb::value_error(message.c_str()); }

inline void require(bool condition, const char* message) {
  if (!condition) refuse(message);
}

inline std::string shape_of(const Array& array) {
  std::string text = "(";
  for (size_t i = 0; i < array.ndim(); ++i) text += (i > 0 ? ", " : "") + std::to_string(array.shape(i));
  return text + ")";
}

inline bool is(const Array& array, nb::dlpack::dtype_code code, int bits) {
  return array.dtype().code == static_cast<uint8_t>(code) && array.dtype().bits == bits && array.dtype().lanes == 1;
}

inline Type type_of(const char* name, const Array& array) {
  using Code = nb::dlpack::dtype_code;
  if (is(array, Code::Float, 64)) return Type::kFloat64;
  if (is(array, Code::Float, 32)) return Type::kFloat32;
  if (is(array, Code::Float, 16)) return Type::kFloat16;
  if (is(array, Code::Bfloat, 16)) return Type::kBFloat16;
  if (is(array, Code::Int, 64)) return Type::kInt64;
  if (is(array, Code::Int, 32)) return Type::kInt32;
  if (is(array, Code::Bool, 8)) return Type::kBool;
  refuse(std::string(name) + " has a dtype that no kernel reads");
}

inline bool is_float(Type type) {
  return type == Type::kFloat64 || type == Type::kFloat32 || type == Type::kFloat16 || type == Type::kBFloat16;
}

inline Tensor tensor(const char* name, const Array& array, size_t dimensions) {
  if (array.ndim() != dimensions)
    refuse(std::string(name) + " has shape " + shape_of(array) + "; expected " + std::to_string(dimensions) +
           " dimensions");
  Tensor result{array.data(), type_of(name, array), {1, 1, 1, 1}, {0, 0, 0, 0}};
  // (N, H, W) is read as (N, 1, H, W).
  for (size_t i = 0; i < dimensions; ++i) {
    const size_t to = dimensions == 3 && i > 0 ? i + 1 : i;
    result.shape[to] = static_cast<int64_t>(array.shape(i));
    result.stride[to] = array.stride(i);
  }
  return result;
}

// A floating-point (N, channels, H, W) tensor.
inline Tensor map(const char* name, const Array& array) {
  const Tensor result = tensor(name, array, 4);
  require(is_float(result.type), "a map is not of a floating-point dtype");
  return result;
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

inline Window window(int64_t size, int64_t dilation, int64_t stride) {
  require(size >= 1 && size % 2 == 1 && size <= kLargestSide, "window size is not an odd number up to 2^20");
  require(dilation >= 1 && dilation <= kLargestSide, "window dilation is not a number from 1 to 2^20");
  require(stride >= 1 && stride <= kLargestSide, "stride is not a number from 1 to 2^20");
  return {size, dilation, stride};
}

inline int checked_norm(int norm) {
  require(norm == 1 || norm == 2, "norm is not 1 or 2");
  return norm;
}

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

inline Tensor output(const char* name, const Array& array) {
  const Tensor result = map(name, array);
  require_own_elements(name, result);
  ask_for_large_pages(array.data(), static_cast<int64_t>(array.nbytes()));
  return result;
}

}  // namespace crispseg
