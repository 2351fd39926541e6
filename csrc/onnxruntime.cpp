// The door to onnxruntime: operators of the domain "crispseg", by the same kernels. onnxruntime looks for
// `RegisterCustomOps` in a library that is given to `SessionOptions.register_custom_ops_library`.
#include <exception>
#include <map>
#include <mutex>
#include <new>

#include "crispseg.h"
#include "native.h"
#include "onnxruntime_call.h"

namespace crispseg {

namespace {

constexpr char kDomain[] = "crispseg";

void local_distance(const Call& call) {
  const Tensor embedding = call.map(0);
  const Window w = checked_window(call.attribute("size"), call.attribute("dilation"), call.attribute("stride"));
  const Tensor distance = call.output(embedding.shape[0], w.size * w.size, centres(embedding.shape[2], w.stride),
                                      centres(embedding.shape[3], w.stride));
  best_level().local_distance(embedding, w.size, w.dilation, static_cast<int>(call.attribute("norm")), w.stride,
                              call.threads(), distance);
}

void affinity_weights(const Call& call) {
  const Tensor embedding = call.map(0);
  const Window w = checked_window(call.attribute("size"), call.attribute("dilation"));
  const double hardness = call.scalar(1), score_weight = call.scalar(3);
  require_comparison(hardness, score_weight);
  best_level().affinity_weights(
      embedding, call.optional_map(2), score_weight, hardness, w.size, w.dilation,
      static_cast<int>(call.attribute("norm")), call.attribute("normalize") != 0, call.threads(),
      call.output(embedding.shape[0], w.size * w.size, embedding.shape[2], embedding.shape[3]));
}

void local_contour(const Call& call) {
  const Tensor boundary = call.map(0);
  const Window w = checked_window(call.attribute("size"), call.attribute("dilation"));
  best_level().local_contour(boundary, w.size, w.dilation, call.threads(),
                             call.output(boundary.shape[0], w.size * w.size, boundary.shape[2], boundary.shape[3]));
}

Tensor output_like(const Call& call, const Tensor& map) {
  return call.output(map.shape[0], map.shape[1], map.shape[2], map.shape[3]);
}

void local_filter(const Call& call) {
  const Tensor scores = call.map(0);
  filter(scores, call.map(1), call.attribute("size"), call.attribute("dilation"), call.attribute("passes"),
         call.attribute("normalize") != 0, call.threads(), output_like(call, scores));
}

void affinity_filter(const Call& call) {
  const Tensor values = call.map(0);
  const double hardness = call.scalar(2), score_weight = call.scalar(4);
  require_comparison(hardness, score_weight);
  best_level().affinity_filter(values, call.map(1), call.optional_map(3), score_weight, hardness,
                               call.attribute("size"), call.attribute("dilation"),
                               static_cast<int>(call.attribute("norm")), call.attribute("passes"), call.threads(),
                               output_like(call, values));
}

void joint_upsample(const Call& call) {
  const Tensor value = call.map(0), features = call.map(2);
  best_level().joint_upsample(value, call.map(1), features, call.axis(4), call.axis(5), call.scalar(3),
                              static_cast<int>(call.attribute("norm")), call.threads(),
                              call.output(value.shape[0], value.shape[1], features.shape[2], features.shape[3]));
}

// Shares (N, S, H, W), or (N, S, M, H, W) for M choices that are independent of each other.
void rebalance(const Call& call) {
  const std::vector<int64_t> lengths = call.shape(0);
  require(lengths == call.shape(1), "before and after have different shapes");
  require(lengths.size() == 4 || lengths.size() == 5, "shares have not 4 or 5 dimensions");
  const int64_t images = lengths[0], labels = lengths[1], h = lengths[lengths.size() - 2], w = lengths.back();
  const int64_t choices = lengths.size() == 5 ? lengths[2] : 1;
  float *const before = call.floats(0), *const after = call.floats(1), *const result = call.output(lengths);
  for (int64_t n = 0; n < images; ++n) {
    const auto image = [&](float* data) {
      return Tensor{
          data + n * labels * choices * h * w, Type::kFloat32, {choices, labels, h, w}, {h * w, choices * h * w, w, 1}};
    };
    best_level().rebalance(image(before), image(after), call.scalar(2), call.scalar(3), call.attribute("large"),
                           call.attribute("small"), call.threads(), image(result));
  }
}

const std::vector<Definition>& definitions() {
  const Input hardness{"hardness", kOrtDouble};
  const Input scores{"scores", kOrtFloat, kOrtOptional}, score_weight{"score_weight", kOrtDouble, kOrtOptional};
  static const std::vector<Definition> all = {
      {"LocalDistance", {{"embedding"}}, {"size", "dilation", "norm", "stride"}, local_distance},
      {"AffinityWeights",
       {{"embedding"}, hardness, scores, score_weight},
       {"size", "dilation", "norm", "normalize"},
       affinity_weights},
      {"LocalContour", {{"boundary"}}, {"size", "dilation"}, local_contour},
      {"LocalFilter", {{"scores"}, {"weights"}}, {"size", "dilation", "passes", "normalize"}, local_filter},
      {"AffinityFilter",
       {{"values"}, {"embedding"}, hardness, scores, score_weight},
       {"size", "dilation", "norm", "passes"},
       affinity_filter},
      {"JointUpsample",
       {{"value"}, {"centres"}, {"features"}, hardness, {"rows", kOrtInt64}, {"columns", kOrtInt64}},
       {"norm"},
       joint_upsample},
      {"Rebalance",
       {{"before"}, {"after"}, {"guard", kOrtDouble}, {"keep_thin", kOrtDouble}},
       {"large", "small"},
       rebalance},
  };
  return all;
}

// Runs a lambda, and returns what became of it.
template <typename Run>
OrtStatus* guarded(const OrtApi* api, const Run& run) noexcept {
  try {
    run();
    return nullptr;
  } catch (const std::invalid_argument& error) {
    return api->create_status(kOrtInvalidArgument, error.what());
  } catch (const std::bad_alloc&) {
    return api->create_status(kOrtFail, "crispseg: there is not enough memory");
  } catch (const std::exception& error) {
    return api->create_status(kOrtFail, error.what());
  } catch (...) {
    return api->create_status(kOrtFail, "crispseg: unknown failure");
  }
}

struct Operator : OrtCustomOp {
  const Definition* definition;

  explicit Operator(const Definition& of) : OrtCustomOp(), definition(&of) {
    version = kOrtVersion;
    name = [](const OrtCustomOp* op) { return definition_of(op).name; };
    provider = [](const OrtCustomOp*) -> const char* { return nullptr; };
    input_type = [](const OrtCustomOp* op, size_t i) { return definition_of(op).inputs[i].type; };
    input_count = [](const OrtCustomOp* op) { return definition_of(op).inputs.size(); };
    output_type = [](const OrtCustomOp*, size_t) { return kOrtFloat; };
    output_count = [](const OrtCustomOp*) -> size_t { return 1; };
    destroy_kernel = [](void* node) { delete static_cast<Node*>(node); };
    input_characteristic = [](const OrtCustomOp* op, size_t i) { return definition_of(op).inputs[i].characteristic; };
    output_characteristic = [](const OrtCustomOp*, size_t) { return kOrtRequired; };
    input_memory = [](const OrtCustomOp*, size_t) { return 0; };
    least_inputs = least_outputs = [](const OrtCustomOp*) { return 1; };
    inputs_alike = outputs_alike = [](const OrtCustomOp*) { return 0; };
    create_kernel_or_status = create;
    compute_or_status = run;
    first_version = [](const OrtCustomOp*) { return 1; };
    last_version = [](const OrtCustomOp*) { return 1; };
  }

  static const Definition& definition_of(const OrtCustomOp* op) {
    return *static_cast<const Operator*>(op)->definition;
  }

  static OrtStatus* create(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info, void** kernel) {
    return guarded(api, [&] {
      const Definition& definition = definition_of(op);
      Node node{api, &definition, {}, {}};
      for (const char* const attribute : definition.attributes) {
        int64_t value = 0;
        succeed(api, api->attribute(info, attribute, &value));
        node.attributes.push_back(value);
      }
      *kernel = new Node(node);
    });
  }

  static OrtStatus* run(void* kernel, OrtKernelContext* context) {
    const Node& node = *static_cast<Node*>(kernel);
    return guarded(node.api, [&] {
      Session session{node.api, context};
      node.threads.measure(session, cores());
      const UsePool pool(
          [](void* given, int threads, void (*work)(void*, int), void* data) {
            static_cast<Session*>(given)->share(threads, [=](int thread) { work(data, thread); });
          },
          &session);
      node.definition->run(Call(node, context));
    });
  }
};

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all(definitions().begin(), definitions().end());
  return all;
}

// A domain for each onnxruntime in the process, which lives as long as its sessions may.
OrtCustomOpDomain* domain_of(const OrtApi* api) {
  static std::mutex mutex;
  static std::map<const OrtApi*, OrtCustomOpDomain*> domains;
  const std::lock_guard<std::mutex> lock(mutex);
  OrtCustomOpDomain*& domain = domains[api];
  if (domain == nullptr) {
    succeed(api, api->create_domain(kDomain, &domain));
    for (const Operator& op : operators()) succeed(api, api->add_operator(domain, &op));
  }
  return domain;
}

}  // namespace

}  // namespace crispseg

extern "C" CRISPSEG_API OrtStatus* CRISPSEG_ORT_CALL RegisterCustomOps(OrtSessionOptions* options,
                                                                       const OrtApiBase* base) {
  const OrtApi* const api = base->get_api(kOrtVersion);
  if (api == nullptr)
    return base->get_api(1)->create_status(kOrtFail, "the operators of crispseg want onnxruntime 1.17 or later");
  return crispseg::guarded(api, [&] { crispseg::succeed(api, api->add_domain(options, crispseg::domain_of(api))); });
}
