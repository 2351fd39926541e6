// The door to Python: checks every argument, so that no call from Python can reach memory that is not its own.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kernels.h"
#include "operands.h"

namespace crispseg {

namespace {

class Level {
 public:
  explicit Level(const std::string& name) : kernels_(find(name)), doubles_(find(available().back())) {}

  static std::vector<std::string> available() {
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

  void local_distance(Array embedding_, int64_t size, int64_t dilation, int norm, int64_t stride, int threads,
                      Array distance_) const {
    const Tensor embedding = map("embedding", embedding_), distance = output("distance", distance_);
    const Window w = window(size, dilation, stride);
    require_pairs("distance", distance, embedding, w);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(embedding.type).local_distance(embedding, w, norm, threads, distance);
  }

  void local_distance_backward(Array grad_, Array embedding_, int64_t size, int64_t dilation, int norm, int64_t stride,
                               int threads, Array result_) const {
    const Tensor grad = map("grad", grad_), embedding = map("embedding", embedding_),
                 result = output("result", result_);
    const Window w = window(size, dilation, stride);
    require_pairs("grad", grad, embedding, w);
    require_like("result", result, embedding);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(embedding.type).local_distance_backward(grad, embedding, w, norm, threads, result);
  }

  void affinity_weights(Array embedding_, std::optional<Array> scores_, double score_weight, double hardness,
                        int64_t size, int64_t dilation, int norm, bool normalize, int threads, Array weights_) const {
    const Tensor embedding = map("embedding", embedding_), weights = output("weights", weights_);
    const std::optional<Tensor> scores = further_channels(scores_, embedding);
    const Window w = window(size, dilation, 1);
    require_pairs("weights", weights, embedding, w);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    const Features features(embedding, scores ? &*scores : nullptr, score_weight);
    kernels(features.widest()).affinity_weights(features, hardness, w, norm, normalize, threads, weights);
  }

  double affinity_weights_backward(Array grad_, Array embedding_, std::optional<Array> scores_, double score_weight,
                                   double hardness, int64_t size, int64_t dilation, int norm, int threads,
                                   Array result_, std::optional<Array> scores_result_) const {
    const Tensor grad = map("grad", grad_), embedding = map("embedding", embedding_),
                 result = output("result", result_);
    const std::optional<Tensor> scores = further_channels(scores_, embedding);
    const Window w = window(size, dilation, 1);
    require_pairs("grad", grad, embedding, w);
    require_like("result", result, embedding);
    require(scores.has_value() == scores_result_.has_value(), "scores and scores_result go together");
    std::optional<Tensor> scores_result;
    if (scores) {
      scores_result = output("scores_result", *scores_result_);
      require_like("scores_result", *scores_result, *scores);
    }
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    const Features features(embedding, scores ? &*scores : nullptr, score_weight);
    return kernels(features.widest())
        .affinity_weights_backward(grad, features, hardness, w, norm, threads,
                                   Features(result, scores ? &*scores_result : nullptr));
  }

  void affinity_filter(Array values_, Array embedding_, std::optional<Array> scores_, double score_weight,
                       double hardness, int64_t size, int64_t dilation, int norm, int64_t passes, int threads,
                       Array result_) const {
    const Tensor values = map("values", values_), embedding = map("embedding", embedding_),
                 result = output("result", result_);
    const std::optional<Tensor> scores = further_channels(scores_, embedding);
    require_shape("embedding", embedding, values.shape[0], embedding.shape[1], values.shape[2], values.shape[3]);
    require_like("result", result, values);
    const Window w = window(size, dilation, 1);
    require_passes(passes);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    const Features features(embedding, scores ? &*scores : nullptr, score_weight);
    const Type sums = values.type == Type::kFloat64 ? values.type : features.widest();
    kernels(sums).affinity_filter(values, features, hardness, w, norm, passes, threads, result);
  }

  void local_filter(Array scores_, Array weights_, int64_t size, int64_t dilation, int64_t passes, bool normalize,
                    int threads, Array result_, Array sums_, std::optional<Array> states_) const {
    const Tensor scores = map("scores", scores_), weights = map("weights", weights_),
                 result = output("result", result_);
    const Window w = filter_window(scores, weights, size, dilation, passes);
    require_like("result", result, scores);
    const Tensor sums = filter_sums(sums_, scores, weights);
    const std::optional<Tensor> states = filter_states(states_, scores, sums, passes);
    if (states) output("states", *states_);
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(sums.type).local_filter(scores, weights, w, passes, normalize, threads, result, sums,
                                    states ? &*states : nullptr);
  }

  void local_filter_backward(Array grad_, Array weights_, Array sums_, std::optional<Array> states_, int64_t size,
                             int64_t dilation, int64_t passes, int threads, Array grad_scores_,
                             std::optional<Array> grad_weights_) const {
    const Tensor grad = map("grad", grad_), weights = map("weights", weights_),
                 grad_scores = output("grad_scores", grad_scores_);
    const Window w = filter_window(grad, weights, size, dilation, passes);
    require_like("grad_scores", grad_scores, grad);
    const Tensor sums = filter_sums(sums_, grad, weights);
    const std::optional<Tensor> states = filter_states(states_, grad, sums, passes);
    std::optional<Tensor> grad_weights;
    require(states_.has_value() == grad_weights_.has_value(), "states and grad_weights go together");
    if (grad_weights_) {
      grad_weights = output("grad_weights", *grad_weights_);
      require_like("grad_weights", *grad_weights, weights);
      require(grad_weights->type == sums.type, "grad_weights has not the dtype of the sums");
    }
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(sums.type).local_filter_backward(grad, weights, sums, states ? &*states : nullptr, w, passes, threads,
                                             grad_scores, grad_weights ? &*grad_weights : nullptr);
  }

  double embedding_loss(Array embedding_, Array labels_, int64_t size, int64_t dilation, double near, double far,
                        int norm, int64_t stride, bool balanced, bool summed, int threads) const {
    const Tensor embedding = map("embedding", embedding_), labels = loss_labels(labels_, embedding);
    const Window w = window(size, dilation, stride);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    return kernels(embedding.type).embedding_loss(embedding, labels, w, norm, {near, far, balanced, summed}, threads);
  }

  double embedding_loss_with_gradient(Array embedding_, Array labels_, int64_t size, int64_t dilation, double near,
                                      double far, int norm, int64_t stride, bool balanced, bool summed, int threads,
                                      Array result_) const {
    const Tensor embedding = map("embedding", embedding_), labels = loss_labels(labels_, embedding);
    const Tensor result = output("result", result_);
    const Window w = window(size, dilation, stride);
    require_like("result", result, embedding);
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    return kernels(embedding.type)
        .embedding_loss_with_gradient(embedding, labels, w, norm, {near, far, balanced, summed}, threads, result);
  }

  void local_contour(Array boundary_, int64_t size, int64_t dilation, int threads, Array result_) const {
    const Tensor boundary = contour_boundary(boundary_), result = output("result", result_);
    const Window w = window(size, dilation, 1);
    require_pairs("result", result, boundary, w);
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(boundary.type).local_contour(boundary, w, threads, result);
  }

  void local_contour_backward(Array grad_, Array boundary_, int64_t size, int64_t dilation, int threads,
                              Array result_) const {
    const Tensor grad = map("grad", grad_), boundary = contour_boundary(boundary_), result = map("result", result_);
    const Window w = window(size, dilation, 1);
    require_pairs("grad", grad, boundary, w);
    require_like("result", result, boundary);
    require_contiguous("result", result);
    require(result.type == boundary.type, "result has another dtype than boundary");
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels(boundary.type).local_contour_backward(grad, boundary, w, threads, result);
  }

  void local_parity(Array labels_, int64_t size, int64_t dilation, int64_t stride, int64_t ignore_index, int threads,
                    Array parity_, Array valid_) const {
    const Tensor labels = tensor("labels", labels_, 3);
    require(labels.type == Type::kInt64, "labels are not int64");
    require_contiguous("labels", labels);
    const Window w = window(size, dilation, stride);
    const Tensor parity = flags("parity", parity_, labels, w), valid = flags("valid", valid_, labels, w);
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels_.local_parity(labels, w, ignore_index, threads, parity, valid);
  }

  void joint_upsample(Array value_, Array centres_, Array features_, std::vector<int64_t> rows_,
                      std::vector<int64_t> columns_, double hardness, int norm, int threads, Array result_) const {
    const Tensor value = plain_map("value", value_), centres = plain_map("centres", centres_),
                 features = map("features", features_), result = plain_map("result", result_);
    require_own_elements("result", result);
    require(features.type != Type::kFloat64, "features are float64");
    const int64_t n = value.shape[0], h = value.shape[2], w = value.shape[3];
    require_shape("centres", centres, n, features.shape[1], h, w);
    require_shape("features", features, n, features.shape[1], features.shape[2], features.shape[3]);
    require_shape("result", result, n, value.shape[1], features.shape[2], features.shape[3]);
    require(is_empty(result) || (h >= 1 && w >= 1), "value has no pixels");
    const Axis rows = axis(rows_), columns = axis(columns_);
    require(hardness > 0 && std::isfinite(hardness), "hardness is not a finite number above 0");
    checked_norm(norm), threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    kernels_.joint_upsample(value, centres, features, rows, columns, hardness, norm, threads, result);
  }

  void rebalance(Array before_, Array after_, double guard, double keep_thin, int64_t large, int64_t small, int threads,
                 Array result_) const {
    const Tensor before = map("before", before_), after = map("after", after_), result = output("result", result_);
    require_like("after", after, before);
    require_like("result", result, before);
    require(guard > 0 && guard < 1, "guard is not between 0 and 1");
    require(keep_thin >= 0 && keep_thin <= 1, "keep_thin is not from 0 to 1");
    require(small >= 0 && small <= large && large <= kLargestSide, "radii are not 0 <= small <= large <= 2^20");
    threads = checked_threads(threads);
    const nb::gil_scoped_release release;
    const Type sums = before.type == Type::kFloat64 ? before.type : after.type;
    kernels(sums).rebalance(before, after, {guard, keep_thin, large, small}, threads, result);
  }

 private:
  static const Kernels& find(const std::string& name) {
    bool supported = false;
    for (const std::string& level : available()) supported |= level == name;
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

  // Sums in doubles are compiled for the narrowest level only.
  const Kernels& kernels(Type sums) const { return sums == Type::kFloat64 ? doubles_ : kernels_; }

  const Kernels& kernels_;
  const Kernels& doubles_;
};

}  // namespace

NB_MODULE(_C, module) {
  module.doc() = "The CPU kernels. Tensors pass by DLPack, without a copy; outputs are written in place.";
  module.def("levels", &Level::available, "Vector widths that this processor has, widest first.");
  nb::class_<Level>(module, "Kernels", "The kernels compiled for one vector width.")
      .def(nb::init<const std::string&>(), nb::arg("level"))
      .def("local_distance", &Level::local_distance)
      .def("local_distance_backward", &Level::local_distance_backward)
      .def("affinity_weights", &Level::affinity_weights, nb::arg("embedding"), nb::arg("scores").none(),
           nb::arg("score_weight"), nb::arg("hardness"), nb::arg("size"), nb::arg("dilation"), nb::arg("norm"),
           nb::arg("normalize"), nb::arg("threads"), nb::arg("weights"))
      .def("affinity_weights_backward", &Level::affinity_weights_backward, nb::arg("grad"), nb::arg("embedding"),
           nb::arg("scores").none(), nb::arg("score_weight"), nb::arg("hardness"), nb::arg("size"), nb::arg("dilation"),
           nb::arg("norm"), nb::arg("threads"), nb::arg("result"), nb::arg("scores_result").none())
      .def("affinity_filter", &Level::affinity_filter, nb::arg("values"), nb::arg("embedding"),
           nb::arg("scores").none(), nb::arg("score_weight"), nb::arg("hardness"), nb::arg("size"), nb::arg("dilation"),
           nb::arg("norm"), nb::arg("passes"), nb::arg("threads"), nb::arg("result"))
      .def("local_filter", &Level::local_filter, nb::arg("scores"), nb::arg("weights"), nb::arg("size"),
           nb::arg("dilation"), nb::arg("passes"), nb::arg("normalize"), nb::arg("threads"), nb::arg("result"),
           nb::arg("sums"), nb::arg("states").none())
      .def("local_filter_backward", &Level::local_filter_backward, nb::arg("grad"), nb::arg("weights"), nb::arg("sums"),
           nb::arg("states").none(), nb::arg("size"), nb::arg("dilation"), nb::arg("passes"), nb::arg("threads"),
           nb::arg("grad_scores"), nb::arg("grad_weights").none())
      .def("embedding_loss", &Level::embedding_loss)
      .def("embedding_loss_with_gradient", &Level::embedding_loss_with_gradient)
      .def("local_contour", &Level::local_contour)
      .def("local_contour_backward", &Level::local_contour_backward)
      .def("local_parity", &Level::local_parity)
      .def("joint_upsample", &Level::joint_upsample)
      .def("rebalance", &Level::rebalance);
}

}  // namespace crispseg
