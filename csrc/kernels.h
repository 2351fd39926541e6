// The kernels, one table of them for each level. Arguments were checked by `Level`.
#pragma once

#include "tensor.h"

namespace crispseg {

struct LossOptions {
  double near, far;
  bool balanced, summed;
};

// How pixels along an axis fall on coarse ones: at which pixel they start, which coarse one is the first that is there,
// and how many there are in all. Pixel i lies at ((2 i + 1) steps - shift) / (2 pixels), where coarse one j lies at j.
struct Axis {
  int64_t start, first, length, steps, pixels, shift;
};

// How strongly common labels count less, how much of their shares thin parts keep, and the radii of the squares in
// which shares are counted: small ≤ large, and equal for one square.
struct Guard {
  double strength, keep_thin;
  int64_t large, small;
};

// Outputs come last. Maps may have any floating-point dtype and strides, with what is said otherwise.
struct Kernels {
  void (*local_distance)(const Tensor& embedding, const Window&, int norm, Threads, const Tensor& distance);
  void (*local_distance_backward)(const Tensor& grad, const Tensor& embedding, const Window&, int norm, Threads,
                                  const Tensor& result);
  void (*affinity_weights)(const Features&, double hardness, const Window&, int norm, bool normalize, Threads,
                           const Tensor& weights);
  // Returns the gradient to the hardness. That to the scores is to their product with their weight.
  double (*affinity_weights_backward)(const Tensor& grad, const Features&, double hardness, const Window&, int norm,
                                      Threads, const Features& result);
  // Scores filtered with the weights of features, which are not stored.
  void (*affinity_filter)(const Tensor& scores, const Features&, double hardness, const Window&, int norm,
                          int64_t passes, Threads, const Tensor& result);
  // Sums are contiguous, float64 where scores or weights are, else float32. States, which may be none, are of the same
  // dtype, channels-last, with channels of zeros up to a multiple of 8: a batch for every pass, and one before.
  void (*local_filter)(const Tensor& scores, const Tensor& weights, const Window&, int64_t passes, bool normalize,
                       Threads, const Tensor& result, const Tensor& sums, const Tensor* states);
  // With states, the gradient to the weights too, in the dtype of the sums.
  void (*local_filter_backward)(const Tensor& grad, const Tensor& weights, const Tensor& sums, const Tensor* states,
                                const Window&, int64_t passes, Threads, const Tensor& grad_scores,
                                const Tensor* grad_weights);
  // Labels are contiguous int32; INT32_MIN makes no pair.
  double (*embedding_loss)(const Tensor& embedding, const Tensor& labels, const Window&, int norm, const LossOptions&,
                           Threads);
  // Returns the loss and writes its gradient to the embedding.
  double (*embedding_loss_with_gradient)(const Tensor& embedding, const Tensor& labels, const Window&, int norm,
                                         const LossOptions&, Threads, const Tensor& result);
  // The boundary is contiguous, float32 or float64; its gradient is the same.
  void (*local_contour)(const Tensor& boundary, const Window&, Threads, const Tensor& result);
  void (*local_contour_backward)(const Tensor& grad, const Tensor& boundary, const Window&, Threads,
                                 const Tensor& result);
  // Labels are contiguous int64, results contiguous bool.
  void (*local_parity)(const Tensor& labels, const Window&, int64_t ignore_index, Threads, const Tensor& parity,
                       const Tensor& valid);
  // All maps are contiguous float32.
  void (*joint_upsample)(const Tensor& value, const Tensor& centres, const Tensor& features, const Axis& rows,
                         const Axis& columns, double hardness, int norm, Threads, const Tensor& result);
  // The scores of upsampled shares, each times after / before, two sums of its pixel.
  void (*joint_upsample_scores)(const Tensor& value, const Tensor& centres, const Tensor& features,
                                const Tensor& before, const Tensor& after, const Axis& rows, const Axis& columns,
                                double hardness, int norm, bool logs, double whole, Threads, const Tensor& result);
  // Shares after the filter, less of labels that are common around a pixel in those before it.
  void (*rebalance)(const Tensor& before, const Tensor& after, Guard, Threads, const Tensor& result);
};

#ifdef CRISPSEG_NEON
namespace neon {
extern const Kernels kernels;
}
#else
namespace plain {
extern const Kernels kernels;
}
#endif
#ifdef CRISPSEG_X86
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

}  // namespace crispseg
