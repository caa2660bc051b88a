// The part of ONNX Runtime's C interface that the peer measurement uses, bound at run time.
//
// The interface is one table of function pointers, reached through OrtGetApiBase(), that only ever
// grows at its end: a function's place never changes. So the places of the few functions used here
// are written down, and neither ONNX Runtime's headers nor its library is needed to build.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>

namespace ort {

struct Env;
struct Session;
struct SessionOptions;
struct Value;
struct MemoryInfo;
struct TypeInfo;
struct TensorInfo;
struct Allocator;
struct RunOptions;
struct Status;

// The version of the table that is asked for: every library since 1.8 has it.
inline constexpr std::uint32_t kApiVersion = 8;

// Values of the interface's enumerations.
inline constexpr int kLogError = 3;
inline constexpr int kOptimizeAll = 99;
inline constexpr int kArenaAllocator = 1;
inline constexpr int kDefaultMemory = 0;
inline constexpr int kTensorType = 1;

// ONNX element types, in the order of TensorProto.DataType.
enum ElementType {
  kFloat = 1,
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kInt32,
  kInt64,
  kString,
  kBool,
  kFloat16,
  kDouble
};

struct ApiBase {
  void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

// Typed access to the table.
class Api {
 public:
  explicit Api(void* const* table) : table_(table) {}

  template <class... Args>
  Status* call(int place, Args... args) const {
    return reinterpret_cast<Status* (*)(Args...)>(table_[place])(args...);
  }
  template <class T>
  void release(int place, T* object) const {
    reinterpret_cast<void (*)(T*)>(table_[place])(object);
  }
  const char* message(const Status* status) const {
    return reinterpret_cast<const char* (*)(const Status*)>(table_[2])(status);
  }

 private:
  void* const* table_;
};

// Places in the table. (The interface states that ReleaseCustomOpDomain, which follows
// ReleaseSessionOptions, is at 101.)
inline constexpr int kCreateEnv = 3, kCreateSession = 7, kRun = 9, kCreateSessionOptions = 10,
                     kSetSessionGraphOptimizationLevel = 23, kSetIntraOpNumThreads = 24,
                     kSetInterOpNumThreads = 25, kSessionGetInputCount = 30,
                     kSessionGetOutputCount = 31, kSessionGetInputTypeInfo = 33,
                     kSessionGetInputName = 36, kSessionGetOutputName = 37,
                     kCreateTensorWithDataAsValue = 49, kCastTypeInfoToTensorInfo = 55,
                     kGetTensorElementType = 60, kGetDimensionsCount = 61, kGetDimensions = 62,
                     kCreateCpuMemoryInfo = 69, kGetAllocatorWithDefaultOptions = 78,
                     kReleaseEnv = 92, kReleaseStatus = 93, kReleaseMemoryInfo = 94,
                     kReleaseSession = 95, kReleaseValue = 96, kReleaseTypeInfo = 98,
                     kReleaseSessionOptions = 100;

}  // namespace ort
