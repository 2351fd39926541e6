// Tensors as the kernels see them: where they lie, what their elements are, and their strides. Hardly any code, so that
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

// The maps whose channels together tell pixels apart: an embedding and, unless that is null, scores times a weight.
struct Features {
  const Tensor& embedding;
  const Tensor* scores;
  double score_weight;

  Features(const Tensor& embedding, const Tensor* scores = nullptr, double score_weight = 1)
      : embedding(embedding), scores(scores), score_weight(score_weight) {}

  int64_t channels() const { return embedding.shape[1] + (scores != nullptr ? scores->shape[1] : 0); }
  // float64 if either map is.
  Type widest() const { return scores != nullptr && scores->type == Type::kFloat64 ? scores->type : embedding.type; }
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
