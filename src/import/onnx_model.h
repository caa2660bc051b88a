// An ONNX file as protobuf gives it, except that the weights stay where they are in the file.
#pragma once

#include <onnx.pb.h>

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "import/options.h"
#include "platform/file.h"

namespace polder {

struct OnnxModel {
  std::string name;      // for errors
  std::string folder;    // where tensors stored outside are
  bool in_file = false;  // false: from memory, without a folder
  onnx::ModelProto proto;
  // raw_data of the main graph's initializers, by index: taken out of `proto`, left in the file.
  std::vector<std::span<const std::byte>> raw;
  std::shared_ptr<const MappedFile> file;  // what `raw` lies in; null: memory borrowed for now
};

// Fills proto and raw from `bytes`.
Status parse_onnx(std::span<const std::byte> bytes, OnnxModel& model);

// kNone for what Polder has no type for (strings, complex numbers, 8-bit floats).
DataType onnx_type(std::int32_t onnx_data_type);
// The name of a type in ONNX's words, for errors.
std::string onnx_type_name(std::int32_t onnx_data_type);

// Turns TensorProtos into constants. Large elements are moved or left in the file, not copied.
class OnnxTensors {
 public:
  // Elements from here on are moved out of the message or left in the file instead of copied.
  static constexpr std::size_t kMoveBytes = 1024;

  explicit OnnxTensors(const OnnxModel& model) : model_(model) {}

  // `raw`: the tensor's raw_data where the model left it in the file.
  Result<OwnedTensor> read(onnx::TensorProto& tensor, std::span<const std::byte> raw = {});
  Result<OwnedTensor> read_sparse(onnx::SparseTensorProto& tensor);

 private:
  Result<OwnedTensor> read_unnamed(onnx::TensorProto& tensor, std::span<const std::byte> raw);
  // Fills data and layout of `out`.
  Status read_elements(onnx::TensorProto& tensor, std::size_t bytes, std::span<const std::byte> raw,
                       OwnedTensor& out);
  static Result<Bytes> typed(const onnx::TensorProto& tensor, const OwnedTensor& header,
                             std::size_t bytes);
  // What external_data says.
  struct Place {
    std::string location;
    std::uint64_t offset = 0;
  };
  static Result<Place> place_of(const onnx::TensorProto& tensor, std::size_t bytes);
  // A file of the model's folder, and what was copied of it, by offset, length and type.
  struct OutsideFile {
    std::shared_ptr<const MappedFile> file;
    std::map<std::tuple<std::uint64_t, std::size_t, DataType>, Bytes> copies;
    std::size_t copied_bytes = 0;
  };
  // Fills data and layout of `out`.
  Status outside(const onnx::TensorProto& tensor, std::size_t bytes, OwnedTensor& out);
  static Result<Bytes> copy_of_part(OutsideFile& from, std::uint64_t offset, std::size_t bytes,
                                    DataType type);

  const OnnxModel& model_;
  // A body may be read twice; what is large is kept here, moved out of the message or converted.
  std::unordered_map<const onnx::TensorProto*, OwnedTensor> moved_;
  std::map<std::string, OutsideFile> files_;  // by path
  std::int64_t sparse_elements_ = 0;          // of all sparse tensors, made dense
};

}  // namespace polder
