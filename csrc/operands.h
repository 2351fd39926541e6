// Checks of what single operations take, on top of those of any tensor.
#pragma once

#include <cmath>
#include <optional>
#include <string>

#include "checks.h"
#include "kernels.h"

namespace crispseg {

// Scores that are compared along with an embedding.
inline void require_further_channels(const std::optional<Tensor>& scores, const Tensor& embedding) {
  if (!scores) return;
  require_map(*scores);
  require_shape("scores", *scores, embedding.shape[0], scores->shape[1], embedding.shape[2], embedding.shape[3]);
}

inline void require_accumulated(const char* name, const Tensor& tensor) {
  if (tensor.type != Type::kFloat32 && tensor.type != Type::kFloat64)
    refuse(std::string(name) + " is not float32 or float64");
}

inline void require_filter_sums(const Tensor& sums, const Tensor& scores, const Tensor& weights) {
  const bool wide = scores.type == Type::kFloat64 || weights.type == Type::kFloat64;
  require(sums.type == (wide ? Type::kFloat64 : Type::kFloat32), "sums have not the dtype of the sums");
  require_shape("sums", sums, scores.shape[0], 1, scores.shape[2], scores.shape[3]);
  require_contiguous("sums", sums);
}

inline void require_filter_states(const std::optional<Tensor>& states, const Tensor& scores, const Tensor& sums,
                                  int64_t passes) {
  if (!states) return;
  require(states->type == sums.type, "states have not the dtype of the sums");
  require(passes < kMostPasses, "passes is more than states are kept for");
  const int64_t padded = (scores.shape[1] + kStateLanes - 1) / kStateLanes * kStateLanes;
  require_shape("states", *states, (passes + 1) * scores.shape[0], padded, scores.shape[2], scores.shape[3]);
  require_channels_last("states", *states);
}

inline void require_passes(int64_t passes) { require(passes >= 1, "passes is below 1"); }

inline Window filter_window(const Tensor& scores, const Tensor& weights, int64_t size, int64_t dilation,
                            int64_t passes) {
  const Window w = checked_window(size, dilation);
  require_pairs("weights", weights, scores, w);
  require_passes(passes);
  return w;
}

inline void require_loss_labels(const Tensor& labels, const Tensor& embedding) {
  require(labels.type == Type::kInt32, "labels are not int32");
  require_shape("labels", labels, embedding.shape[0], 1, embedding.shape[2], embedding.shape[3]);
  require_contiguous("labels", labels);
}

inline void require_boundary(const Tensor& boundary) {
  require_map(boundary);
  require(boundary.shape[1] == 1, "boundary has more than one channel");
  require_accumulated("boundary", boundary);
  require_contiguous("boundary", boundary);
}

inline void require_plain(const char* name, const Tensor& map) {
  if (map.type != Type::kFloat32) refuse(std::string(name) + " is not float32");
  require_contiguous(name, map);
}

inline void require_hardness(double hardness) {
  require(hardness > 0 && std::isfinite(hardness), "hardness is not a finite number above 0");
}

inline void require_axis(const Axis& axis) {
  for (const int64_t number : {axis.start, axis.first, axis.length})
    require(number >= 0 && number <= kMostPasses, "a number of an axis is not one from 0 to 2^20");
  require(axis.length >= 1 && axis.steps >= 1 && axis.pixels >= 1, "an axis has no pixels");
}

inline void require_flags(const char* name, const Tensor& flags, const Tensor& labels, const Window& w) {
  require(flags.type == Type::kBool, "an output of local_parity is not bool");
  require_pairs(name, flags, labels, w);
  require_contiguous(name, flags);
}

}  // namespace crispseg
