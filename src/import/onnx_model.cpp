#include "import/onnx_model.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace polder {
namespace {

using google::protobuf::MessageLite;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// All elements of sparse tensors, made dense.
constexpr std::int64_t kMaxSparseElements = std::int64_t(1) << 24;

CodedInputStream stream_of(std::span<const std::byte> bytes) {
  return CodedInputStream(reinterpret_cast<const std::uint8_t*>(bytes.data()), int(bytes.size()));
}

bool merge(std::span<const std::byte> bytes, MessageLite& message) {
  if (bytes.empty()) return true;
  CodedInputStream in = stream_of(bytes);
  return message.MergePartialFromCodedStream(&in) && in.ConsumedEntireMessage();
}

// Merges `bytes` into `message`, except the payloads of the length-delimited field `field`: each of
// them goes to take(payload). False when the bytes are not well formed.
template <class F>
bool merge_except(std::span<const std::byte> bytes, int field, MessageLite& message, F&& take) {
  const std::uint32_t wanted =
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  CodedInputStream in = stream_of(bytes);
  int begin = 0;
  for (;;) {
    const int start = in.CurrentPosition();
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) {
      return in.ConsumedEntireMessage() &&
             merge(bytes.subspan(std::size_t(begin), std::size_t(start - begin)), message);
    }
    if (tag != wanted) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return false;
    const int payload = in.CurrentPosition();
    if (size > bytes.size() - std::size_t(payload) || !in.Skip(int(size))) return false;
    if (!merge(bytes.subspan(std::size_t(begin), std::size_t(start - begin)), message) ||
        !take(bytes.subspan(std::size_t(payload), size))) {
      return false;
    }
    begin = in.CurrentPosition();
  }
}

// Reads the decimal number of an external_data entry.
bool number(const std::string& text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Copies repeated field `from` of a message, element by element narrowed to the tensor's own.
template <class To, class From>
void narrow(const From& from, std::span<std::byte> out) {
  To* to = reinterpret_cast<To*>(out.data());
  for (const auto value : from) *to++ = To(value);
}

// Bools are one byte, 0 or 1; other values in a file count as true.
void normalise_bools(std::span<std::byte> bytes) {
  for (std::byte& b : bytes) b = std::byte(b != std::byte(0));
}

// How many elements the typed field of `tensor` holds, and from it, `out` filled when it fits.
std::size_t typed_elements(const onnx::TensorProto& tensor, DataType type,
                           std::span<std::byte> out) {
  const auto fill = [&]<class To>(const auto& field) {
    const std::size_t count = std::size_t(field.size());
    if (count * sizeof(To) == out.size()) narrow<To>(field, out);
    return count;
  };
  switch (type) {
    case DataType::kF32: return fill.operator()<float>(tensor.float_data());
    case DataType::kF64: return fill.operator()<double>(tensor.double_data());
    case DataType::kI64: return fill.operator()<std::int64_t>(tensor.int64_data());
    case DataType::kU64: return fill.operator()<std::uint64_t>(tensor.uint64_data());
    case DataType::kU32: return fill.operator()<std::uint32_t>(tensor.uint64_data());
    case DataType::kI32: return fill.operator()<std::int32_t>(tensor.int32_data());
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kU16:
    case DataType::kI16: return fill.operator()<std::uint16_t>(tensor.int32_data());
    default: return fill.operator()<std::uint8_t>(tensor.int32_data());
  }
}

Result<Shape> shape_of(const google::protobuf::RepeatedField<std::int64_t>& dims) {
  if (dims.size() > kMaxRank) {
    return fail(Code::kUnsupported, "rank {}; at most {} are supported", dims.size(), kMaxRank);
  }
  Shape shape;
  std::int64_t elements = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0) return fail(Code::kCorrupt, "extent {} is negative", dim);
    if (dim > 0 && (__builtin_mul_overflow(elements, dim, &elements) || elements > kMaxElements)) {
      return fail(Code::kExhausted, "more than 2^40 elements");
    }
    shape.push_back(dim);
  }
  return shape;
}

Error no_memory(std::size_t bytes) {
  return fail(Code::kExhausted, "no memory for {} bytes", bytes);
}

Result<Bytes> copy_of(std::span<const std::byte> raw, DataType type) {
  Bytes data = Bytes::copy_of(raw);
  if (!data) return no_memory(raw.size());
  if (type == DataType::kBool) {
    normalise_bools({const_cast<std::byte*>(data.view.data()), data.view.size()});
  }
  return data;
}

// A part of a file. When nobody needs it any more its memory goes back, before the file is closed:
// the weights and their packed copies are never in memory together.
Bytes in_file(const std::shared_ptr<const MappedFile>& file, std::span<const std::byte> part) {
  const auto release = [file, part](const void*) { file->release(part); };
  return {std::shared_ptr<const void>(part.data(), release), part};
}

}  // namespace

Status parse_onnx(std::span<const std::byte> bytes, OnnxModel& model) {
  if (bytes.empty()) return fail(Code::kCorrupt, "the file is empty; an ONNX model expected");
  if (bytes.size() > std::size_t(std::numeric_limits<std::int32_t>::max())) {
    return fail(Code::kExhausted,
                "{} bytes; an ONNX file holds at most 2 GB: store the weights outside (external "
                "data)",
                bytes.size());
  }
  onnx::GraphProto* graph = nullptr;
  const auto tensor_field = [&](std::span<const std::byte> payload) {
    std::span<const std::byte> raw;
    const bool good = merge_except(payload, onnx::TensorProto::kRawDataFieldNumber,
                                   *graph->add_initializer(), [&](std::span<const std::byte> data) {
                                     raw = data;
                                     return true;
                                   });
    model.raw.push_back(raw);
    return good;
  };
  const auto graph_field = [&](std::span<const std::byte> payload) {
    graph = model.proto.mutable_graph();
    return merge_except(payload, onnx::GraphProto::kInitializerFieldNumber, *graph, tensor_field);
  };
  if (!merge_except(bytes, onnx::ModelProto::kGraphFieldNumber, model.proto, graph_field)) {
    return fail(Code::kCorrupt,
                "neither a TFLite model nor ONNX, or damaged: {} bytes that protobuf cannot read; "
                "get the file "
                "again",
                bytes.size());
  }
  if (!graph) return fail(Code::kCorrupt, "not an ONNX model: it holds no graph");
  return {};
}

DataType onnx_type(std::int32_t onnx_data_type) {
  switch (onnx_data_type) {
    case onnx::TensorProto::FLOAT: return DataType::kF32;
    case onnx::TensorProto::FLOAT16: return DataType::kF16;
    case onnx::TensorProto::BFLOAT16: return DataType::kBF16;
    case onnx::TensorProto::DOUBLE: return DataType::kF64;
    case onnx::TensorProto::INT8: return DataType::kI8;
    case onnx::TensorProto::UINT8: return DataType::kU8;
    case onnx::TensorProto::INT16: return DataType::kI16;
    case onnx::TensorProto::UINT16: return DataType::kU16;
    case onnx::TensorProto::INT32: return DataType::kI32;
    case onnx::TensorProto::UINT32: return DataType::kU32;
    case onnx::TensorProto::INT64: return DataType::kI64;
    case onnx::TensorProto::UINT64: return DataType::kU64;
    case onnx::TensorProto::BOOL: return DataType::kBool;
    default: return DataType::kNone;
  }
}

std::string onnx_type_name(std::int32_t onnx_data_type) {
  if (onnx_data_type == onnx::TensorProto::STRING) return "string";
  if (onnx::TensorProto::DataType_IsValid(onnx_data_type)) {
    return onnx::TensorProto::DataType_Name(onnx::TensorProto::DataType(onnx_data_type));
  }
  return fmt::format("type {}", onnx_data_type);
}

Result<OwnedTensor> OnnxTensors::read(onnx::TensorProto& tensor, std::span<const std::byte> raw) {
  auto result = read_unnamed(tensor, raw);
  if (result.ok()) return result;
  return std::move(result).error().at(fmt::format("tensor '{}'", clipped(tensor.name())));
}

Result<OwnedTensor> OnnxTensors::read_unnamed(onnx::TensorProto& tensor,
                                              std::span<const std::byte> raw) {
  if (const auto known = moved_.find(&tensor); known != moved_.end()) return known->second;
  OwnedTensor out;
  out.type = onnx_type(tensor.data_type());
  if (out.type == DataType::kNone) {
    return fail(Code::kUnsupported, "elements of {} are not supported",
                onnx_type_name(tensor.data_type()));
  }
  if (tensor.has_segment()) return fail(Code::kUnsupported, "tensors in segments");
  TRY_VALUE(out.shape, shape_of(tensor.dims()));
  const std::size_t bytes = std::size_t(out.shape.elements()) * size_of(out.type);
  const bool in_file = !raw.empty() || tensor.data_location() == onnx::TensorProto::EXTERNAL;
  TRY(read_elements(tensor, bytes, raw, out));
  if (!in_file && bytes >= kMoveBytes) moved_.emplace(&tensor, out);
  return out;
}

Status OnnxTensors::read_elements(onnx::TensorProto& tensor, std::size_t bytes,
                                  std::span<const std::byte> raw, OwnedTensor& out) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    return outside(tensor, bytes, out);
  }
  const bool in_message = tensor.has_raw_data();
  if (in_message) raw = std::as_bytes(std::span(tensor.raw_data()));
  if (raw.empty()) {
    TRY_VALUE(out.data, typed(tensor, out, bytes));
    return {};
  }
  if (raw.size() != bytes) {
    return fail(Code::kCorrupt, "{} bytes expected for {} {}, the file holds {}", bytes,
                out.shape.text(), type_name(out.type), raw.size());
  }
  const bool aligned = reinterpret_cast<std::uintptr_t>(raw.data()) % size_of(out.type) == 0;
  const bool stays = bytes >= kMoveBytes && out.type != DataType::kBool;
  if (stays && aligned && in_message) {
    auto owner = std::make_shared<const std::string>(std::move(*tensor.mutable_raw_data()));
    const auto view = std::as_bytes(std::span(*owner));
    out.data = {std::move(owner), view};
  } else if (stays && model_.file && !in_message && (aligned || out.type == DataType::kF32)) {
    out.data = in_file(model_.file, raw);
    if (!aligned) out.layout = Layout::kUnaligned;
  } else {
    TRY_VALUE(out.data, copy_of(raw, out.type));
  }
  return {};
}

// From the field of the tensor's own type.
Result<Bytes> OnnxTensors::typed(const onnx::TensorProto& tensor, const OwnedTensor& header,
                                 std::size_t bytes) {
  // Sized by what the message holds, never by what it claims.
  const std::size_t count = typed_elements(tensor, header.type, {});
  if (count != bytes / size_of(header.type)) {
    return fail(Code::kCorrupt, "{} elements expected for {} {}, the file holds {}",
                bytes / size_of(header.type), header.shape.text(), type_name(header.type), count);
  }
  std::span<std::byte> out;
  Bytes data = Bytes::allocate(bytes, &out);
  if (!data) return no_memory(bytes);
  typed_elements(tensor, header.type, out);
  if (header.type == DataType::kBool) normalise_bools(out);
  return data;
}

Result<OnnxTensors::Place> OnnxTensors::place_of(const onnx::TensorProto& tensor,
                                                 std::size_t bytes) {
  Place place;
  std::uint64_t length = bytes;
  for (const auto& entry : tensor.external_data()) {
    bool good = true;
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") good = number(entry.value(), place.offset);
    if (entry.key() == "length") good = number(entry.value(), length);
    if (!good) {
      return fail(Code::kCorrupt, "external data: {} '{}' is not a number", entry.key(),
                  clipped(entry.value()));
    }
  }
  if (length != bytes) {
    return fail(Code::kCorrupt, "{} bytes expected, its external data says {}", bytes, length);
  }
  return place;
}

Status OnnxTensors::outside(const onnx::TensorProto& tensor, std::size_t bytes, OwnedTensor& out) {
  TRY_VALUE(const Place place, place_of(tensor, bytes));
  if (!model_.in_file) {
    return fail(Code::kUnsupported, "stored outside ('{}'), but the model was read from memory",
                clipped(place.location));
  }
  TRY_VALUE(const std::string path, resolve_within(model_.folder, place.location));
  OutsideFile& from = files_[path];
  if (!from.file) {
    TRY_VALUE(MappedFile mapped, MappedFile::open(path));
    from.file = std::make_shared<const MappedFile>(std::move(mapped));
  }
  const auto all = from.file->bytes();
  if (place.offset > all.size() || bytes > all.size() - place.offset) {
    return fail(Code::kCorrupt, "bytes {}+{} expected in '{}', which holds {}", place.offset, bytes,
                clipped(place.location), all.size());
  }
  const bool aligned = place.offset % size_of(out.type) == 0;
  const bool stays = aligned || (out.type == DataType::kF32 && bytes >= kMoveBytes);
  if (bytes && out.type != DataType::kBool && stays) {
    out.data = {from.file, all.subspan(place.offset, bytes)};
    if (!aligned) out.layout = Layout::kUnaligned;
    return {};
  }
  TRY_VALUE(out.data, copy_of_part(from, place.offset, bytes, out.type));
  return {};
}

// Tensors of one place share the copy; those of different places do not overlap, so that all copies
// together are no larger than the file.
Result<Bytes> OnnxTensors::copy_of_part(OutsideFile& from, std::uint64_t offset, std::size_t bytes,
                                        DataType type) {
  Bytes& copy = from.copies[{offset, bytes, type}];
  if (copy) return copy;
  const auto all = from.file->bytes();
  from.copied_bytes += bytes;
  if (from.copied_bytes > all.size()) {
    return fail(Code::kExhausted, "tensors that overlap in one file: more than its {} bytes in all",
                all.size());
  }
  TRY_VALUE(copy, copy_of(all.subspan(offset, bytes), type));
  return copy;
}

Result<OwnedTensor> OnnxTensors::read_sparse(onnx::SparseTensorProto& tensor) {
  const std::string where = fmt::format("sparse tensor '{}'", clipped(tensor.values().name()));
  TRY_VALUE(const OwnedTensor values, read(*tensor.mutable_values()));
  TRY_VALUE(const OwnedTensor indices, read(*tensor.mutable_indices()));
  OwnedTensor out;
  out.type = values.type;
  auto shape = shape_of(tensor.dims());
  if (!shape.ok()) return std::move(shape).error().at(where);
  out.shape = *shape;
  const std::int64_t count = values.shape.elements();
  const std::int64_t rank = out.shape.rank();
  const bool linear = indices.shape.rank() == 1;
  sparse_elements_ += std::min(out.shape.elements(), kMaxSparseElements + 1);
  if (sparse_elements_ > kMaxSparseElements)
    return fail(Code::kExhausted, "{}: sparse tensors of more than 2^24 elements in all", where);
  if (values.shape.rank() != 1 || indices.type != DataType::kI64 ||
      indices.shape.elements() != count * (linear ? 1 : rank)) {
    return fail(Code::kCorrupt, "{}: i64 indices [n] or [n,{}] expected for values {}, {} found",
                where, rank, values.shape.text(), indices.shape.text());
  }
  const std::size_t size = size_of(out.type);
  std::span<std::byte> dense;
  out.data = Bytes::allocate(std::size_t(out.shape.elements()) * size, &dense);
  if (!out.data) return no_memory(std::size_t(out.shape.elements()) * size);
  const auto* index = reinterpret_cast<const std::int64_t*>(indices.data.view.data());
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = 0;
    for (std::int64_t axis = 0; axis < (linear ? 1 : rank); ++axis) {
      const std::int64_t extent = linear ? out.shape.elements() : out.shape[int(axis)];
      if (*index < 0 || *index >= extent) {
        return fail(Code::kCorrupt, "{}: index {} is outside 0..{}", where, *index, extent - 1);
      }
      at = at * extent + *index++;
    }
    std::memcpy(dense.data() + std::size_t(at) * size,
                values.data.view.data() + std::size_t(i) * size, size);
  }
  return out;
}

}  // namespace polder
