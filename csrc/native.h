// What the doors to C and to onnxruntime share: the widest kernels of this processor, and what only Python checks
// itself.
#pragma once

#include <cmath>
#include <thread>

#include "level.h"
#include "operands.h"

namespace crispseg {

inline const Level& best_level() {
  static const Level level(Level::available().front());
  return level;
}

inline int cores() {
  const unsigned count = std::thread::hardware_concurrency();
  return count > 0 ? static_cast<int>(count) : 1;
}

inline void require_comparison(double hardness, double score_weight) {
  require_hardness(hardness);
  require(score_weight >= 0 && std::isfinite(score_weight), "score_weight is not a finite number of 0 or above");
}

// Filters scores, with memory for the sums of their weights.
inline void filter(const Tensor& scores, const Tensor& weights, int64_t size, int64_t dilation, int64_t passes,
                   bool normalize, int threads, const Tensor& result) {
  const bool wide = scores.type == Type::kFloat64 || weights.type == Type::kFloat64;
  const Type type = wide ? Type::kFloat64 : Type::kFloat32;
  const int64_t n = scores.shape[0], h = scores.shape[2], w = scores.shape[3];
  const Scratch memory(n * h * w * element_bytes(type));
  const Tensor sums{memory.data(), type, {n, 1, h, w}, {h * w, h * w, w, 1}};
  best_level().local_filter(scores, weights, size, dilation, passes, normalize, threads, result, sums, std::nullopt);
}

}  // namespace crispseg
