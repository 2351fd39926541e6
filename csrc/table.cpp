#include "kernels.h"
#include "tasks.h"

namespace crispseg::CRISPSEG_LEVEL {

void local_distance(const Tensor&, const Window&, int, Threads, const Tensor&);
void local_distance_backward(const Tensor&, const Tensor&, const Window&, int, Threads, const Tensor&);
void affinity_weights(const Features&, double, const Window&, int, bool, Threads, const Tensor&);
double affinity_weights_backward(const Tensor&, const Features&, double, const Window&, int, Threads, const Features&);
void affinity_filter(const Tensor&, const Features&, double, const Window&, int, int64_t, Threads, const Tensor&);
void local_filter(const Tensor&, const Tensor&, const Window&, int64_t, bool, Threads, const Tensor&, const Tensor&,
                  const Tensor*);
void local_filter_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor*, const Window&, int64_t, Threads,
                           const Tensor&, const Tensor*);
double embedding_loss(const Tensor&, const Tensor&, const Window&, int, const LossOptions&, Threads);
double embedding_loss_with_gradient(const Tensor&, const Tensor&, const Window&, int, const LossOptions&, Threads,
                                    const Tensor&);
void local_contour(const Tensor&, const Window&, Threads, const Tensor&);
void local_contour_backward(const Tensor&, const Tensor&, const Window&, Threads, const Tensor&);
void local_parity(const Tensor&, const Window&, int64_t, Threads, const Tensor&, const Tensor&);
void joint_upsample(const Tensor&, const Tensor&, const Tensor&, const Axis&, const Axis&, double, int, Threads,
                    const Tensor&);
void joint_upsample_scores(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Axis&,
                           const Axis&, double, int, bool, double, Threads, const Tensor&);
void rebalance(const Tensor&, const Tensor&, Guard, Threads, const Tensor&);

extern const Kernels kernels = {
    local_distance,
    local_distance_backward,
    affinity_weights,
    affinity_weights_backward,
    affinity_filter,
    local_filter,
    local_filter_backward,
    embedding_loss,
    embedding_loss_with_gradient,
    local_contour,
    local_contour_backward,
    local_parity,
    joint_upsample,
    joint_upsample_scores,
    rebalance,
};

}  // namespace crispseg::CRISPSEG_LEVEL
