#include "level.h"

#include "operands.h"

namespace crispseg {

namespace {

const Kernels& find(const std::string& name) {
  bool supported = false;
  for (const std::string& level : Level::available()) supported |= level == name;
  if (!supported) refuse("this processor has no level " + name);
#ifdef CRISPSEG_X86
  if (name == "avx512") return avx512::kernels;
  if (name == "avx2") return avx2::kernels;
#endif
#ifdef CRISPSEG_NEON
  return neon::kernels;
#else
  return plain::kernels;
#endif
}

const Tensor* pointer(const Level::Optional& tensor) { return tensor ? &*tensor : nullptr; }

}  // namespace

Level::Level(const std::string& name) : kernels_(find(name)), doubles_(find(available().back())) {}

std::vector<std::string> Level::available() {
  std::vector<std::string> names;
#ifdef CRISPSEG_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    names.push_back("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) names.push_back("avx2");
#endif
#ifdef CRISPSEG_NEON
  names.push_back("neon");
#else
  names.push_back("plain");
#endif
  return names;
}

void Level::local_distance(const Tensor& embedding, int64_t size, int64_t dilation, int norm, int64_t stride,
                           int threads, const Tensor& distance) const {
  require_map(embedding);
  require_output("distance", distance);
  const Window w = checked_window(size, dilation, stride);
  require_pairs("distance", distance, embedding, w);
  require_norm(norm);
  kernels(embedding.type).local_distance(embedding, w, norm, checked_threads(threads), distance);
}

void Level::local_distance_backward(const Tensor& grad, const Tensor& embedding, int64_t size, int64_t dilation,
                                    int norm, int64_t stride, int threads, const Tensor& result) const {
  require_map(grad);
  require_map(embedding);
  require_output("result", result);
  const Window w = checked_window(size, dilation, stride);
  require_pairs("grad", grad, embedding, w);
  require_like("result", result, embedding);
  require_norm(norm);
  kernels(embedding.type).local_distance_backward(grad, embedding, w, norm, checked_threads(threads), result);
}

void Level::affinity_weights(const Tensor& embedding, const Optional& scores, double score_weight, double hardness,
                             int64_t size, int64_t dilation, int norm, bool normalize, int threads,
                             const Tensor& weights) const {
  require_map(embedding);
  require_output("weights", weights);
  require_further_channels(scores, embedding);
  const Window w = checked_window(size, dilation);
  require_pairs("weights", weights, embedding, w);
  require_norm(norm);
  const Features features(embedding, pointer(scores), score_weight);
  kernels(features.widest())
      .affinity_weights(features, hardness, w, norm, normalize, checked_threads(threads), weights);
}

double Level::affinity_weights_backward(const Tensor& grad, const Tensor& embedding, const Optional& scores,
                                        double score_weight, double hardness, int64_t size, int64_t dilation, int norm,
                                        int threads, const Tensor& result, const Optional& scores_result) const {
  require_map(grad);
  require_map(embedding);
  require_output("result", result);
  require_further_channels(scores, embedding);
  const Window w = checked_window(size, dilation);
  require_pairs("grad", grad, embedding, w);
  require_like("result", result, embedding);
  require(scores.has_value() == scores_result.has_value(), "scores and scores_result go together");
  if (scores) {
    require_output("scores_result", *scores_result);
    require_like("scores_result", *scores_result, *scores);
  }
  require_norm(norm);
  const Features features(embedding, pointer(scores), score_weight);
  return kernels(features.widest())
      .affinity_weights_backward(grad, features, hardness, w, norm, checked_threads(threads),
                                 Features(result, pointer(scores_result)));
}

void Level::affinity_filter(const Tensor& values, const Tensor& embedding, const Optional& scores, double score_weight,
                            double hardness, int64_t size, int64_t dilation, int norm, int64_t passes, int threads,
                            const Tensor& result) const {
  require_map(values);
  require_map(embedding);
  require_output("result", result);
  require_further_channels(scores, embedding);
  require_shape("embedding", embedding, values.shape[0], embedding.shape[1], values.shape[2], values.shape[3]);
  require_like("result", result, values);
  const Window w = checked_window(size, dilation);
  require_passes(passes);
  require_norm(norm);
  const Features features(embedding, pointer(scores), score_weight);
  const Type sums = values.type == Type::kFloat64 ? values.type : features.widest();
  kernels(sums).affinity_filter(values, features, hardness, w, norm, passes, checked_threads(threads), result);
}

void Level::local_filter(const Tensor& scores, const Tensor& weights, int64_t size, int64_t dilation, int64_t passes,
                         bool normalize, int threads, const Tensor& result, const Tensor& sums,
                         const Optional& states) const {
  require_map(scores);
  require_map(weights);
  require_output("result", result);
  const Window w = filter_window(scores, weights, size, dilation, passes);
  require_like("result", result, scores);
  require_filter_sums(sums, scores, weights);
  require_filter_states(states, scores, sums, passes);
  if (states) require_output("states", *states);
  kernels(sums.type).local_filter(scores, weights, w, passes, normalize, checked_threads(threads), result, sums,
                                  pointer(states));
}

void Level::local_filter_backward(const Tensor& grad, const Tensor& weights, const Tensor& sums, const Optional& states,
                                  int64_t size, int64_t dilation, int64_t passes, int threads,
                                  const Tensor& grad_scores, const Optional& grad_weights) const {
  require_map(grad);
  require_map(weights);
  require_output("grad_scores", grad_scores);
  const Window w = filter_window(grad, weights, size, dilation, passes);
  require_like("grad_scores", grad_scores, grad);
  require_filter_sums(sums, grad, weights);
  require_filter_states(states, grad, sums, passes);
  require(states.has_value() == grad_weights.has_value(), "states and grad_weights go together");
  if (grad_weights) {
    require_output("grad_weights", *grad_weights);
    require_like("grad_weights", *grad_weights, weights);
    require(grad_weights->type == sums.type, "grad_weights has not the dtype of the sums");
  }
  kernels(sums.type).local_filter_backward(grad, weights, sums, pointer(states), w, passes, checked_threads(threads),
                                           grad_scores, pointer(grad_weights));
}

double Level::embedding_loss(const Tensor& embedding, const Tensor& labels, int64_t size, int64_t dilation, double near,
                             double far, int norm, int64_t stride, bool balanced, bool summed, int threads) const {
  require_map(embedding);
  require_loss_labels(labels, embedding);
  const Window w = checked_window(size, dilation, stride);
  require_norm(norm);
  return kernels(embedding.type)
      .embedding_loss(embedding, labels, w, norm, {near, far, balanced, summed}, checked_threads(threads));
}

double Level::embedding_loss_with_gradient(const Tensor& embedding, const Tensor& labels, int64_t size,
                                           int64_t dilation, double near, double far, int norm, int64_t stride,
                                           bool balanced, bool summed, int threads, const Tensor& result) const {
  require_map(embedding);
  require_loss_labels(labels, embedding);
  require_output("result", result);
  const Window w = checked_window(size, dilation, stride);
  require_like("result", result, embedding);
  require_norm(norm);
  return kernels(embedding.type)
      .embedding_loss_with_gradient(embedding, labels, w, norm, {near, far, balanced, summed}, checked_threads(threads),
                                    result);
}

void Level::local_contour(const Tensor& boundary, int64_t size, int64_t dilation, int threads,
                          const Tensor& result) const {
  require_boundary(boundary);
  require_output("result", result);
  const Window w = checked_window(size, dilation);
  require_pairs("result", result, boundary, w);
  kernels(boundary.type).local_contour(boundary, w, checked_threads(threads), result);
}

void Level::local_contour_backward(const Tensor& grad, const Tensor& boundary, int64_t size, int64_t dilation,
                                   int threads, const Tensor& result) const {
  require_map(grad);
  require_boundary(boundary);
  require_map(result);
  const Window w = checked_window(size, dilation);
  require_pairs("grad", grad, boundary, w);
  require_like("result", result, boundary);
  require_contiguous("result", result);
  require(result.type == boundary.type, "result has another dtype than boundary");
  kernels(boundary.type).local_contour_backward(grad, boundary, w, checked_threads(threads), result);
}

void Level::local_parity(const Tensor& labels, int64_t size, int64_t dilation, int64_t stride, int64_t ignore_index,
                         int threads, const Tensor& parity, const Tensor& valid) const {
  require(labels.type == Type::kInt64, "labels are not int64");
  require_contiguous("labels", labels);
  const Window w = checked_window(size, dilation, stride);
  require_flags("parity", parity, labels, w);
  require_flags("valid", valid, labels, w);
  kernels_.local_parity(labels, w, ignore_index, checked_threads(threads), parity, valid);
}

namespace {

void require_upsampling(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                        const Axis& columns, double hardness, int norm, const Tensor& result) {
  require_plain("value", value);
  require_plain("centres", centres);
  require_map(features);
  require_plain("result", result);
  require_output("result", result);
  require(features.type != Type::kFloat64, "features are float64");
  const int64_t n = value.shape[0], h = value.shape[2], w = value.shape[3];
  require_shape("centres", centres, n, features.shape[1], h, w);
  require_shape("features", features, n, features.shape[1], features.shape[2], features.shape[3]);
  require_shape("result", result, n, value.shape[1], features.shape[2], features.shape[3]);
  require(is_empty(result) || (h >= 1 && w >= 1), "value has no pixels");
  require_axis(rows);
  require_axis(columns);
  require_hardness(hardness);
  require_norm(norm);
}

}  // namespace

void Level::joint_upsample(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                           const Axis& columns, double hardness, int norm, int threads, const Tensor& result) const {
  require_upsampling(value, centres, features, rows, columns, hardness, norm, result);
  kernels_.joint_upsample(value, centres, features, rows, columns, hardness, norm, checked_threads(threads), result);
}

void Level::joint_upsample_scores(const Tensor& value, const Tensor& centres, const Tensor& features,
                                  const Tensor& before, const Tensor& after, const Axis& rows, const Axis& columns,
                                  double hardness, int norm, bool logs, double whole, int threads,
                                  const Tensor& result) const {
  require_upsampling(value, centres, features, rows, columns, hardness, norm, result);
  for (const auto& [name, sums] : {std::pair("before", &before), std::pair("after", &after)}) {
    require_plain(name, *sums);
    require_shape(name, *sums, value.shape[0], 1, features.shape[2], features.shape[3]);
  }
  require(whole >= 1 && whole <= 0x1p100, "whole is not from 1 to 2^100");
  kernels_.joint_upsample_scores(value, centres, features, before, after, rows, columns, hardness, norm, logs, whole,
                                 checked_threads(threads), result);
}

void Level::rebalance(const Tensor& before, const Tensor& after, double guard, double keep_thin, int64_t large,
                      int64_t small, int threads, const Tensor& result) const {
  require_map(before);
  require_map(after);
  require_output("result", result);
  require_like("after", after, before);
  require_like("result", result, before);
  require(guard > 0 && guard < 1, "guard is not between 0 and 1");
  require(keep_thin >= 0 && keep_thin <= 1, "keep_thin is not from 0 to 1");
  require(small >= 0 && small <= large && large <= kLargestSide, "radii are not 0 <= small <= large <= 2^20");
  const Type sums = before.type == Type::kFloat64 ? before.type : after.type;
  kernels(sums).rebalance(before, after, {guard, keep_thin, large, small}, checked_threads(threads), result);
}

}  // namespace crispseg
