// Arrays of Python as tensors.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>

#include "checks.h"

namespace crispseg {

namespace nb = nanobind;

using Array = nb::ndarray<nb::device::cpu>;

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

inline Tensor tensor(const char* name, const Array& array, size_t dimensions = 4) {
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

}  // namespace crispseg
