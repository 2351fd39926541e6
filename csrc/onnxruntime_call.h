// A call of an operator by onnxruntime: its inputs, attributes and outputs as tensors, and its threads.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "checks.h"
#include "kernels.h"
#include "level.h"
#include "onnxruntime_abi.h"
#include "onnxruntime_threads.h"

namespace crispseg {

struct Input {
  const char* name;
  OrtElementType type = kOrtFloat;
  OrtCharacteristic characteristic = kOrtRequired;
};

class Call;

// What an operator takes, and what it does. Its output is a float32 tensor.
struct Definition {
  const char* name;
  std::vector<Input> inputs;
  std::vector<const char*> attributes;  // whole numbers
  void (*run)(const Call&);
};

// An operator in a graph.
struct Node {
  const OrtApi* api;
  const Definition* definition;
  std::vector<int64_t> attributes;
  PoolSize threads;
};

class Call {
 public:
  Call(const Node& node, OrtKernelContext* context) : node_(node), context_(context) {}

  int64_t attribute(const char* name) const {
    const std::vector<const char*>& names = node_.definition->attributes;
    for (size_t i = 0; i < names.size(); ++i)
      if (std::strcmp(names[i], name) == 0) return node_.attributes[i];
    throw std::logic_error(std::string("no attribute ") + name);
  }

  int threads() const { return node_.threads.most(); }

  std::vector<int64_t> shape(size_t input) const { return shape_of(value(input)); }

  // An input of four dimensions.
  Tensor map(size_t input) const {
    const std::vector<int64_t> lengths = shape(input);
    if (lengths.size() != 4)
      refuse(std::string(node_.definition->inputs[input].name) + " has " + std::to_string(lengths.size()) +
             " dimensions; expected 4");
    return contiguous(data(value(input)), lengths.data());
  }

  Level::Optional optional_map(size_t input) const {
    return value(input) == nullptr ? Level::Optional() : Level::Optional(map(input));
  }

  float* floats(size_t input) const { return static_cast<float*>(data(value(input))); }

  // An input of one float64 element; 0 if it is absent.
  double scalar(size_t input) const { return value(input) == nullptr ? 0 : *static_cast<double*>(elements(input, 1)); }

  Axis axis(size_t input) const {
    const int64_t* const numbers = static_cast<int64_t*>(elements(input, 6));
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
  }

  Tensor output(int64_t n, int64_t c, int64_t h, int64_t w) const {
    const int64_t lengths[] = {n, c, h, w};
    return contiguous(output({n, c, h, w}), lengths);
  }

  float* output(const std::vector<int64_t>& lengths) const {
    OrtValue* value = nullptr;
    succeed(node_.api, node_.api->output(context_, 0, lengths.data(), lengths.size(), &value));
    return static_cast<float*>(data(value));
  }

  static Tensor contiguous(void* data, const int64_t* lengths) {
    const int64_t h = lengths[2], w = lengths[3];
    return {data, Type::kFloat32, {lengths[0], lengths[1], h, w}, {lengths[1] * h * w, h * w, w, 1}};
  }

 private:
  // Null for an optional input that is absent.
  const OrtValue* value(size_t input) const {
    size_t count = 0;
    succeed(node_.api, node_.api->input_count(context_, &count));
    const OrtValue* value = nullptr;
    if (input < count) succeed(node_.api, node_.api->input(context_, input, &value));
    return value;
  }

  void* data(const OrtValue* value) const {
    void* data = nullptr;
    succeed(node_.api, node_.api->data(const_cast<OrtValue*>(value), &data));
    return data;
  }

  void* elements(size_t input, int64_t expected) const {
    int64_t count = 1;
    for (const int64_t length : shape(input)) count *= length;
    if (count != expected)
      refuse(std::string(node_.definition->inputs[input].name) + " has " + std::to_string(count) +
             " elements; expected " + std::to_string(expected));
    return data(value(input));
  }

  std::vector<int64_t> shape_of(const OrtValue* value) const {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    succeed(node_.api, node_.api->type_and_shape(value, &info));
    size_t count = 0;
    OrtStatus* status = node_.api->dimension_count(info, &count);
    std::vector<int64_t> lengths(status == nullptr ? count : 0);
    if (status == nullptr) status = node_.api->dimensions(info, lengths.data(), count);
    node_.api->release(info);
    succeed(node_.api, status);
    return lengths;
  }

  const Node& node_;
  OrtKernelContext* context_;
};

}  // namespace crispseg
