// A tensor as the kernels see it: where it lies, what its elements are, and its strides. Data without code, so that
// every level may share it.
#pragma once

#include <cstdint>

namespace crispseg {

enum class Type { kFloat64, kFloat32, kFloat16, kBFloat16, kInt64, kInt32, kBool };

struct Tensor {
  void* data;
  Type type;
  int64_t shape[4];
  int64_t stride[4];  // in elements
};

// The window of an operation and the step between centres.
struct Window {
  int64_t size;
  int64_t dilation;
  int64_t stride;
};

// How many threads a kernel may use.
using Threads = int;

}  // namespace crispseg
