// The part of onnxruntime's binary interface that operators of one's own need.
//
// onnxruntime's packages for Python bring no header, and only a build for its own sources would find one. It hands a
// library a table of functions, to whose end new ones are added: the places of those below are the same in every
// version from 1.17 on (version 17 of the interface).
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef _WIN32
#define CRISPSEG_ORT_CALL __stdcall
#else
#define CRISPSEG_ORT_CALL
#endif

struct OrtStatus;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;
struct OrtShapeInferContext;
struct OrtCustomOp;

constexpr uint32_t kOrtVersion = 17;

enum OrtErrorCode : int { kOrtFail = 1, kOrtInvalidArgument = 2 };
enum OrtElementType : int { kOrtFloat = 1, kOrtInt64 = 7, kOrtDouble = 11 };
enum OrtCharacteristic : int { kOrtRequired = 0, kOrtOptional = 1 };

// The table of functions.
struct OrtApi {
  using Function = void(CRISPSEG_ORT_CALL*)();

  OrtStatus* create_status(OrtErrorCode code, const char* message) const {
    return at<OrtStatus*(OrtErrorCode, const char*)>(0)(code, message);
  }
  OrtStatus* create_domain(const char* name, OrtCustomOpDomain** domain) const {
    return at<OrtStatus*(const char*, OrtCustomOpDomain**)>(26)(name, domain);
  }
  OrtStatus* add_operator(OrtCustomOpDomain* domain, const OrtCustomOp* op) const {
    return at<OrtStatus*(OrtCustomOpDomain*, const OrtCustomOp*)>(27)(domain, op);
  }
  OrtStatus* add_domain(OrtSessionOptions* options, OrtCustomOpDomain* domain) const {
    return at<OrtStatus*(OrtSessionOptions*, OrtCustomOpDomain*)>(28)(options, domain);
  }
  OrtStatus* data(OrtValue* value, void** data) const { return at<OrtStatus*(OrtValue*, void**)>(51)(value, data); }
  OrtStatus* dimension_count(const OrtTensorTypeAndShapeInfo* info, size_t* count) const {
    return at<OrtStatus*(const OrtTensorTypeAndShapeInfo*, size_t*)>(61)(info, count);
  }
  OrtStatus* dimensions(const OrtTensorTypeAndShapeInfo* info, int64_t* lengths, size_t count) const {
    return at<OrtStatus*(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)>(62)(info, lengths, count);
  }
  OrtStatus* type_and_shape(const OrtValue* value, OrtTensorTypeAndShapeInfo** info) const {
    return at<OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)>(65)(value, info);
  }
  OrtStatus* attribute(const OrtKernelInfo* info, const char* name, int64_t* value) const {
    return at<OrtStatus*(const OrtKernelInfo*, const char*, int64_t*)>(86)(info, name, value);
  }
  OrtStatus* input_count(const OrtKernelContext* context, size_t* count) const {
    return at<OrtStatus*(const OrtKernelContext*, size_t*)>(88)(context, count);
  }
  OrtStatus* input(const OrtKernelContext* context, size_t index, const OrtValue** value) const {
    return at<OrtStatus*(const OrtKernelContext*, size_t, const OrtValue**)>(90)(context, index, value);
  }
  OrtStatus* output(OrtKernelContext* context, size_t index, const int64_t* lengths, size_t count,
                    OrtValue** value) const {
    return at<OrtStatus*(OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**)>(91)(context, index, lengths,
                                                                                             count, value);
  }
  void release(OrtStatus* status) const { at<void(OrtStatus*)>(93)(status); }
  void release(OrtTensorTypeAndShapeInfo* info) const { at<void(OrtTensorTypeAndShapeInfo*)>(99)(info); }
  const char* message(const OrtStatus* status) const { return at<const char*(const OrtStatus*)>(2)(status); }
  // Calls run(data, i) for every i below `count` on the threads of the session. With 0 batches, each is a task.
  OrtStatus* parallel_for(const OrtKernelContext* context, void (*run)(void*, size_t), size_t count, size_t batches,
                          void* data) const {
    using Run = void (*)(void*, size_t);
    return at<OrtStatus*(const OrtKernelContext*, Run, size_t, size_t, void*)>(274)(context, run, count, batches, data);
  }

 private:
  template <typename Signature>
  struct Pointer;
  template <typename Result, typename... Arguments>
  struct Pointer<Result(Arguments...)> {
    using type = Result(CRISPSEG_ORT_CALL*)(Arguments...);
  };

  template <typename Signature>
  typename Pointer<Signature>::type at(int place) const {
    return reinterpret_cast<typename Pointer<Signature>::type>(functions[place]);
  }

  Function functions[275];
};

struct OrtApiBase {
  const OrtApi*(CRISPSEG_ORT_CALL* get_api)(uint32_t version);
  const char*(CRISPSEG_ORT_CALL* get_version)();
};

// An operator, as version 17 describes it. onnxruntime asks for nothing behind, since `version` says so.
struct OrtCustomOp {
  uint32_t version;
  void*(CRISPSEG_ORT_CALL* create_kernel)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*);
  const char*(CRISPSEG_ORT_CALL* name)(const OrtCustomOp*);
  const char*(CRISPSEG_ORT_CALL* provider)(const OrtCustomOp*);
  OrtElementType(CRISPSEG_ORT_CALL* input_type)(const OrtCustomOp*, size_t);
  size_t(CRISPSEG_ORT_CALL* input_count)(const OrtCustomOp*);
  OrtElementType(CRISPSEG_ORT_CALL* output_type)(const OrtCustomOp*, size_t);
  size_t(CRISPSEG_ORT_CALL* output_count)(const OrtCustomOp*);
  void(CRISPSEG_ORT_CALL* compute)(void*, OrtKernelContext*);
  void(CRISPSEG_ORT_CALL* destroy_kernel)(void*);
  OrtCharacteristic(CRISPSEG_ORT_CALL* input_characteristic)(const OrtCustomOp*, size_t);
  OrtCharacteristic(CRISPSEG_ORT_CALL* output_characteristic)(const OrtCustomOp*, size_t);
  int(CRISPSEG_ORT_CALL* input_memory)(const OrtCustomOp*, size_t);
  int(CRISPSEG_ORT_CALL* least_inputs)(const OrtCustomOp*);
  int(CRISPSEG_ORT_CALL* inputs_alike)(const OrtCustomOp*);
  int(CRISPSEG_ORT_CALL* least_outputs)(const OrtCustomOp*);
  int(CRISPSEG_ORT_CALL* outputs_alike)(const OrtCustomOp*);
  OrtStatus*(CRISPSEG_ORT_CALL* create_kernel_or_status)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*,
                                                         void**);
  OrtStatus*(CRISPSEG_ORT_CALL* compute_or_status)(void*, OrtKernelContext*);
  OrtStatus*(CRISPSEG_ORT_CALL* infer_shape)(const OrtCustomOp*, OrtShapeInferContext*);
  int(CRISPSEG_ORT_CALL* first_version)(const OrtCustomOp*);
  int(CRISPSEG_ORT_CALL* last_version)(const OrtCustomOp*);
  // Of later versions, here so that reading them finds nothing.
  void* later[4];
};
