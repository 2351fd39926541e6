// Checks of what single operations take, on top of those of any tensor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checks.h"
#include "kernels.h"

namespace crispseg {

// Scores that are compared along with an embedding.
inline std::optional<Tensor> further_channels(const std::optional<Array>& array, const Tensor& embedding) {
  if (!array) return std::nullopt;
  const Tensor scores = map("scores", *array);
  require_shape("scores", scores, embedding.shape[0], scores.shape[1], embedding.shape[2], embedding.shape[3]);
  return scores;
}

inline void require_accumulated(const char* name, const Tensor& tensor) {
  if (tensor.type != Type::kFloat32 && tensor.type != Type::kFloat64)
    refuse(std::string(name) + " is not float32 or float64");
}

inline Tensor filter_sums(const Array& array, const Tensor& scores, const Tensor& weights) {
  const Tensor sums = map("sums", array);
  const bool wide = scores.type == Type::kFloat64 || weights.type == Type::kFloat64;
  require(sums.type == (wide ? Type::kFloat64 : Type::kFloat32), "sums have not the dtype of the sums");
  require_shape("sums", sums, scores.shape[0], 1, scores.shape[2], scores.shape[3]);
  require_contiguous("sums", sums);
  return sums;
}

inline std::optional<Tensor> filter_states(const std::optional<Array>& array, const Tensor& scores, const Tensor& sums,
                                           int64_t passes) {
  if (!array) return std::nullopt;
  const Tensor states = map("states", *array);
  require(states.type == sums.type, "states have not the dtype of the sums");
  require(passes < kMostPasses, "passes is more than states are kept for");
  const int64_t padded = (scores.shape[1] + kStateLanes - 1) / kStateLanes * kStateLanes;
  require_shape("states", states, (passes + 1) * scores.shape[0], padded, scores.shape[2], scores.shape[3]);
  require_channels_last("states", states);
  return states;
}

inline void require_passes(int64_t passes) { require(passes >= 1, "passes is below 1"); }

inline Window filter_window(const Tensor& scores, const Tensor& weights, int64_t size, int64_t dilation,
                            int64_t passes) {
  const Window w = window(size, dilation, 1);
  require_pairs("weights", weights, scores, w);
  require_passes(passes);
  return w;
}

inline Tensor loss_labels(const Array& array, const Tensor& embedding) {
  const Tensor labels = tensor("labels", array, 3);
  require(labels.type == Type::kInt32, "labels are not int32");
  require_shape("labels", labels, embedding.shape[0], 1, embedding.shape[2], embedding.shape[3]);
  require_contiguous("labels", labels);
  return labels;
}

inline Tensor contour_boundary(const Array& array) {
  const Tensor boundary = map("boundary", array);
  require(boundary.shape[1] == 1, "boundary has more than one channel");
  require_accumulated("boundary", boundary);
  require_contiguous("boundary", boundary);
  return boundary;
}

inline Tensor plain_map(const char* name, const Array& array) {
  const Tensor result = map(name, array);
  if (result.type != Type::kFloat32) refuse(std::string(name) + " is not float32");
  require_contiguous(name, result);
  return result;
}

inline Axis axis(const std::vector<int64_t>& numbers) {
  require(numbers.size() == 6, "an axis is not six numbers: start, first, length, steps, pixels, shift");
  for (int i = 0; i < 3; ++i)
    require(numbers[i] >= 0 && numbers[i] <= kMostPasses, "a number of an axis is not one from 0 to 2^20");
  require(numbers[2] >= 1 && numbers[3] >= 1 && numbers[4] >= 1, "an axis has no pixels");
  return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
}

inline Tensor flags(const char* name, const Array& array, const Tensor& labels, const Window& w) {
  const Tensor result = tensor(name, array, 4);
  require(result.type == Type::kBool, "an output of local_parity is not bool");
  require_pairs(name, result, labels, w);
  require_contiguous(name, result);
  return result;
}

}  // namespace crispseg
