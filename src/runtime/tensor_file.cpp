// NumPy's .npy format: a magic number, a header that is a Python dictionary, then the elements.
#include "runtime/tensor_file.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "base/fail.h"
#include "platform/file.h"

namespace polder {

namespace {

struct TypeCode {
  std::string_view descr;
  DataType type;
};
constexpr TypeCode kTypes[] = {
    {"<f4", DataType::kF32}, {"<f2", DataType::kF16}, {"<f8", DataType::kF64},
    {"|i1", DataType::kI8},  {"|u1", DataType::kU8},  {"<i2", DataType::kI16},
    {"<u2", DataType::kU16}, {"<i4", DataType::kI32}, {"<u4", DataType::kU32},
    {"<i8", DataType::kI64}, {"<u8", DataType::kU64}, {"|b1", DataType::kBool}};

// The text after `key` in the header's dictionary.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(key);
  if (at == header.npos) return {};
  std::string_view rest = header.substr(at + key.size());
  const std::size_t start = rest.find_first_not_of(": ");
  if (start == rest.npos) return {};
  return rest.substr(start);
}

Result<Shape> parse_shape(std::string_view text) {
  if (text.empty() || text[0] != '(') return fail(Code::kCorrupt, "no shape in its header");
  text.remove_prefix(1);
  Shape shape;
  int rank = 0;
  while (true) {
    while (!text.empty() && (text[0] == ' ' || text[0] == ',')) text.remove_prefix(1);
    if (text.empty()) return fail(Code::kCorrupt, "its shape does not end");
    if (text[0] == ')') return shape;
    std::int64_t extent = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (code != std::errc() || extent < 0)
      return fail(Code::kCorrupt, "its shape is not made of numbers");
    if (++rank > kMaxRank) return fail(Code::kUnsupported, "rank above {}", kMaxRank);
    shape.push_back(extent);
    text.remove_prefix(std::size_t(end - text.data()));
  }
}

}  // namespace

Result<OwnedTensor> parse_npy(std::string_view bytes) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY")
    return fail(Code::kCorrupt, "not an .npy file");
  const auto byte = [&](std::size_t i) {
    return std::size_t(static_cast<unsigned char>(bytes[i]));
  };
  const bool wide = bytes[6] > 1;
  if (wide && bytes.size() < 12) return fail(Code::kCorrupt, "truncated header");
  const std::size_t start = wide ? 12 : 10;
  const std::size_t length =
      wide ? byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24 : byte(8) | byte(9) << 8;
  if (length > bytes.size() - start) return fail(Code::kCorrupt, "truncated header");
  const std::string_view header = bytes.substr(start, length);
  const auto descr = value_of(header, "'descr'"), order = value_of(header, "'fortran_order'"),
             shape_text = value_of(header, "'shape'");
  if (!descr || !order || !shape_text || descr->size() < 5)
    return fail(Code::kCorrupt, "its header lacks a key");
  if (order->starts_with("True"))
    return fail(Code::kUnsupported, "Fortran order; save numpy.ascontiguousarray(x)");
  OwnedTensor tensor;
  for (const TypeCode& code : kTypes) {
    if (descr->substr(1, 3) == code.descr) tensor.type = code.type;
  }
  if (tensor.type == DataType::kNone) {
    return fail(Code::kUnsupported, "element type {} is not supported", descr->substr(0, 6));
  }
  TRY_VALUE(tensor.shape, parse_shape(*shape_text));
  const std::string_view data = bytes.substr(start + length);
  const std::int64_t elements = tensor.shape.elements();
  if (elements > std::int64_t(kMaxTensorFileBytes) ||
      std::size_t(elements) * size_of(tensor.type) != data.size()) {
    return fail(Code::kCorrupt, "{} {} expected after the header, {} bytes found",
                tensor.shape.text(), type_name(tensor.type), data.size());
  }
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(data.data(), data.size())));
  if (!tensor.data) return fail(Code::kExhausted, "out of memory for {} bytes", data.size());
  return tensor;
}

Result<OwnedTensor> read_npy(const std::string& path) {
  TRY_VALUE(const std::string bytes, read_file(path, kMaxTensorFileBytes));
  auto tensor = parse_npy(bytes);
  if (!tensor) return std::move(tensor).error().at(path);
  return tensor;
}

Result<std::string> npy_bytes(const TensorView& tensor, const std::string& path) {
  std::string_view descr;
  for (const TypeCode& code : kTypes) {
    if (code.type == tensor.type) descr = code.descr;
  }
  if (descr.empty())
    return fail(Code::kUnsupported, "{}: .npy has no type {}", path, type_name(tensor.type));
  std::string shape = "(";
  for (const std::int64_t extent : tensor.shape) shape += fmt::format("{}, ", extent);
  if (tensor.shape.rank() > 1) shape.resize(shape.size() - 2);
  else if (tensor.shape.rank() == 1) shape.pop_back();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}), }}", descr, shape);
  header.append(64 - (10 + header.size() + 1) % 64, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += char(header.size() & 255);
  bytes += char(header.size() >> 8);
  bytes += header;
  bytes.append(static_cast<const char*>(tensor.data), tensor.bytes());
  return bytes;
}

}  // namespace polder
