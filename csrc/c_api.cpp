// The door to C: crispseg.h.
#include <cmath>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "crispseg.h"
#include "native.h"
#include "operands.h"

namespace crispseg {

namespace {

thread_local char last_message[512] = "";

crispseg_status failed(crispseg_status status, const char* message) {
  std::snprintf(last_message, sizeof last_message, "%s", message);
  return status;
}

// Runs a lambda, and returns what became of it.
template <typename Run>
crispseg_status guarded(const Run& run) noexcept {
  try {
    run();
    return CRISPSEG_OK;
  } catch (const std::invalid_argument& error) {
    return failed(CRISPSEG_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc&) {
    return failed(CRISPSEG_OUT_OF_MEMORY,
                  "there is not enough memory; use fewer threads, or smaller parts of an image");
  } catch (const std::exception& error) {
    return failed(CRISPSEG_FAILED, error.what());
  } catch (...) {
    return failed(CRISPSEG_FAILED, "unknown failure");
  }
}

Type type_of(const char* name, crispseg_type type) {
  switch (type) {
    case CRISPSEG_FLOAT64:
      return Type::kFloat64;
    case CRISPSEG_FLOAT32:
      return Type::kFloat32;
    case CRISPSEG_FLOAT16:
      return Type::kFloat16;
    case CRISPSEG_BFLOAT16:
      return Type::kBFloat16;
  }
  refuse(std::string(name) + " has the type " + std::to_string(static_cast<int>(type)) +
         "; expected one of crispseg_type");
}

Tensor tensor(const char* name, const crispseg_map* map) {
  if (map == nullptr) refuse(std::string(name) + " is NULL; expected a map");
  Tensor result{map->data, type_of(name, map->type), {}, {}};
  for (int i = 0; i < 4; ++i) {
    if (map->shape[i] < 0)
      refuse(std::string(name) + " has " + std::to_string(map->shape[i]) + " elements along dimension " +
             std::to_string(i) + "; expected 0 or more");
    result.shape[i] = map->shape[i];
    result.stride[i] = map->stride[i];
  }
  if (map->data == nullptr && !is_empty(result)) refuse(std::string(name) + " has elements, but its data are NULL");
  return result;
}

Level::Optional optional(const char* name, const crispseg_map* map) {
  return map == nullptr ? std::nullopt : Level::Optional(tensor(name, map));
}

int threads_of(int threads) {
  if (threads < 0) refuse("threads is " + std::to_string(threads) + "; expected 0 for one on each core, or more");
  return threads == 0 ? cores() : threads;
}

Axis axis_of(const crispseg_axis& axis) {
  return {axis.start, axis.first, axis.length, axis.steps, axis.pixels, axis.shift};
}

}  // namespace

}  // namespace crispseg

using namespace crispseg;

const char* crispseg_version(void) { return CRISPSEG_VERSION; }

const char* crispseg_message(void) { return last_message; }

crispseg_status crispseg_local_distance(const crispseg_map* embedding, crispseg_window window, int norm, int64_t stride,
                                        int threads, const crispseg_map* distance) {
  return guarded([&] {
    best_level().local_distance(tensor("embedding", embedding), window.size, window.dilation, norm, stride,
                                threads_of(threads), tensor("distance", distance));
  });
}

crispseg_status crispseg_affinity_weights(const crispseg_map* embedding, const crispseg_map* scores,
                                          double score_weight, double hardness, crispseg_window window, int norm,
                                          int normalize, int threads, const crispseg_map* weights) {
  return guarded([&] {
    require_comparison(hardness, score_weight);
    best_level().affinity_weights(tensor("embedding", embedding), optional("scores", scores), score_weight, hardness,
                                  window.size, window.dilation, norm, normalize != 0, threads_of(threads),
                                  tensor("weights", weights));
  });
}

crispseg_status crispseg_local_contour(const crispseg_map* boundary, crispseg_window window, int threads,
                                       const crispseg_map* contour) {
  return guarded([&] {
    best_level().local_contour(tensor("boundary", boundary), window.size, window.dilation, threads_of(threads),
                               tensor("contour", contour));
  });
}

crispseg_status crispseg_local_filter(const crispseg_map* scores, const crispseg_map* weights, crispseg_window window,
                                      int64_t passes, int normalize, int threads, const crispseg_map* result) {
  return guarded([&] {
    filter(tensor("scores", scores), tensor("weights", weights), window.size, window.dilation, passes, normalize != 0,
           threads_of(threads), tensor("result", result));
  });
}

crispseg_status crispseg_affinity_filter(const crispseg_map* values, const crispseg_map* embedding,
                                         const crispseg_map* scores, double score_weight, double hardness,
                                         crispseg_window window, int norm, int64_t passes, int threads,
                                         const crispseg_map* result) {
  return guarded([&] {
    require_comparison(hardness, score_weight);
    best_level().affinity_filter(tensor("values", values), tensor("embedding", embedding), optional("scores", scores),
                                 score_weight, hardness, window.size, window.dilation, norm, passes,
                                 threads_of(threads), tensor("result", result));
  });
}

crispseg_status crispseg_joint_upsample(const crispseg_map* value, const crispseg_map* centres,
                                        const crispseg_map* features, crispseg_axis rows, crispseg_axis columns,
                                        double hardness, int norm, int threads, const crispseg_map* result) {
  return guarded([&] {
    best_level().joint_upsample(tensor("value", value), tensor("centres", centres), tensor("features", features),
                                axis_of(rows), axis_of(columns), hardness, norm, threads_of(threads),
                                tensor("result", result));
  });
}

crispseg_status crispseg_rebalance(const crispseg_map* before, const crispseg_map* after, double guard,
                                   double keep_thin, int64_t large, int64_t small, int threads,
                                   const crispseg_map* result) {
  return guarded([&] {
    best_level().rebalance(tensor("before", before), tensor("after", after), guard, keep_thin, large, small,
                           threads_of(threads), tensor("result", result));
  });
}
