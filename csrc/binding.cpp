// The door to Python.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "arrays.h"
#include "level.h"

namespace crispseg {

namespace {

// What Python gives for an argument of a kernel.
template <typename Argument>
struct FromPython {
  using type = Argument;
};
template <>
struct FromPython<const Tensor&> {
  using type = Array;
};
template <>
struct FromPython<const Level::Optional&> {
  using type = std::optional<Array>;
};
template <>
struct FromPython<const Axis&> {
  using type = std::vector<int64_t>;
};

// An array among the arguments of a kernel.
struct Named {
  Named(const char* name, size_t dimensions = 4) : name(name), dimensions(dimensions) {}
  const char* name;
  size_t dimensions;
};

// Converts the arguments of a call, from the first to the last.
class Arguments {
 public:
  explicit Arguments(const Named* arrays) : next_(arrays) {}

  template <typename Number>
  Number operator()(Number number) {
    return number;
  }
  Tensor operator()(const Array& array) {
    const Named& here = *next_++;
    return tensor(here.name, array, here.dimensions);
  }
  Level::Optional operator()(const std::optional<Array>& array) {
    const Named& here = *next_++;
    return array ? Level::Optional(tensor(here.name, *array, here.dimensions)) : std::nullopt;
  }
  Axis operator()(const std::vector<int64_t>& numbers) {
    require(numbers.size() == 6, "an axis is not six numbers: start, first, length, steps, pixels, shift");
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
  }

 private:
  const Named* next_;
};

// A kernel that takes arrays, given in the order of its arguments. They pass by DLPack, without a copy; the interpreter
// is released while the kernel runs.
template <size_t kCount, typename Result, typename... Given>
auto taking(const Named (&arrays)[kCount], Result (Level::*method)(Given...) const) {
  const std::vector<Named> names(arrays, arrays + kCount);
  return [=](const Level& level, typename FromPython<Given>::type... given) {
    Arguments arguments(names.data());
    const std::tuple<decltype(arguments(given))...> converted{arguments(given)...};  // braces keep the order
    const nb::gil_scoped_release release;
    return std::apply([&](const auto&... each) { return (level.*method)(each...); }, converted);
  };
}

}  // namespace

NB_MODULE(_C, module) {
  module.doc() = "The CPU kernels. Tensors pass by DLPack, without a copy; outputs are written in place.";
  module.def("levels", &Level::available, "Vector widths that this processor has, widest first.");
  nb::class_<Level>(module, "Kernels", "The kernels compiled for one vector width.")
      .def(nb::init<const std::string&>(), nb::arg("level"))
      .def("local_distance", taking({"embedding", "distance"}, &Level::local_distance))
      .def("local_distance_backward", taking({"grad", "embedding", "result"}, &Level::local_distance_backward))
      .def("affinity_weights", taking({"embedding", "scores", "weights"}, &Level::affinity_weights))
      .def("affinity_weights_backward",
           taking({"grad", "embedding", "scores", "result", "scores_result"}, &Level::affinity_weights_backward))
      .def("affinity_filter", taking({"values", "embedding", "scores", "result"}, &Level::affinity_filter))
      .def("local_filter", taking({"scores", "weights", "result", "sums", "states"}, &Level::local_filter))
      .def("local_filter_backward",
           taking({"grad", "weights", "sums", "states", "grad_scores", "grad_weights"}, &Level::local_filter_backward))
      .def("embedding_loss", taking({"embedding", {"labels", 3}}, &Level::embedding_loss))
      .def("embedding_loss_with_gradient",
           taking({"embedding", {"labels", 3}, "result"}, &Level::embedding_loss_with_gradient))
      .def("local_contour", taking({"boundary", "result"}, &Level::local_contour))
      .def("local_contour_backward", taking({"grad", "boundary", "result"}, &Level::local_contour_backward))
      .def("local_parity", taking({{"labels", 3}, "parity", "valid"}, &Level::local_parity))
      .def("joint_upsample", taking({"value", "centres", "features", "result"}, &Level::joint_upsample))
      .def("joint_upsample_scores",
           taking({"value", "centres", "features", "before", "after", "result"}, &Level::joint_upsample_scores))
      .def("rebalance", taking({"before", "after", "result"}, &Level::rebalance));
}

}  // namespace crispseg
