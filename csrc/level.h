// The kernels for one vector width, behind checks of every argument: what Python, C and onnxruntime call.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels.h"

namespace crispseg {

// Wrong arguments raise std::invalid_argument, so that no call can reach memory that is not its own, as long as the
// tensors are what they say. Outputs come last.
class Level {
 public:
  using Optional = std::optional<Tensor>;

  explicit Level(const std::string& name);

  // Vector widths that this processor has, widest first.
  static std::vector<std::string> available();

  void local_distance(const Tensor& embedding, int64_t size, int64_t dilation, int norm, int64_t stride, int threads,
                      const Tensor& distance) const;
  void local_distance_backward(const Tensor& grad, const Tensor& embedding, int64_t size, int64_t dilation, int norm,
                               int64_t stride, int threads, const Tensor& result) const;
  void affinity_weights(const Tensor& embedding, const Optional& scores, double score_weight, double hardness,
                        int64_t size, int64_t dilation, int norm, bool normalize, int threads,
                        const Tensor& weights) const;
  double affinity_weights_backward(const Tensor& grad, const Tensor& embedding, const Optional& scores,
                                   double score_weight, double hardness, int64_t size, int64_t dilation, int norm,
                                   int threads, const Tensor& result, const Optional& scores_result) const;
  void affinity_filter(const Tensor& values, const Tensor& embedding, const Optional& scores, double score_weight,
                       double hardness, int64_t size, int64_t dilation, int norm, int64_t passes, int threads,
                       const Tensor& result) const;
  void local_filter(const Tensor& scores, const Tensor& weights, int64_t size, int64_t dilation, int64_t passes,
                    bool normalize, int threads, const Tensor& result, const Tensor& sums,
                    const Optional& states) const;
  void local_filter_backward(const Tensor& grad, const Tensor& weights, const Tensor& sums, const Optional& states,
                             int64_t size, int64_t dilation, int64_t passes, int threads, const Tensor& grad_scores,
                             const Optional& grad_weights) const;
  double embedding_loss(const Tensor& embedding, const Tensor& labels, int64_t size, int64_t dilation, double near,
                        double far, int norm, int64_t stride, bool balanced, bool summed, int threads) const;
  double embedding_loss_with_gradient(const Tensor& embedding, const Tensor& labels, int64_t size, int64_t dilation,
                                      double near, double far, int norm, int64_t stride, bool balanced, bool summed,
                                      int threads, const Tensor& result) const;
  void local_contour(const Tensor& boundary, int64_t size, int64_t dilation, int threads, const Tensor& result) const;
  void local_contour_backward(const Tensor& grad, const Tensor& boundary, int64_t size, int64_t dilation, int threads,
                              const Tensor& result) const;
  void local_parity(const Tensor& labels, int64_t size, int64_t dilation, int64_t stride, int64_t ignore_index,
                    int threads, const Tensor& parity, const Tensor& valid) const;
  void joint_upsample(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                      const Axis& columns, double hardness, int norm, int threads, const Tensor& result) const;
  void joint_upsample_scores(const Tensor& value, const Tensor& centres, const Tensor& features, const Tensor& before,
                             const Tensor& after, const Axis& rows, const Axis& columns, double hardness, int norm,
                             bool logs, double whole, int threads, const Tensor& result) const;
  void rebalance(const Tensor& before, const Tensor& after, double guard, double keep_thin, int64_t large,
                 int64_t small, int threads, const Tensor& result) const;

 private:
  // Sums in doubles are compiled for the narrowest level only.
  const Kernels& kernels(Type sums) const { return sums == Type::kFloat64 ? doubles_ : kernels_; }

  const Kernels& kernels_;
  const Kernels& doubles_;
};

}  // namespace crispseg
