#include "import/tflite_attrs.h"

#include <flatbuffers/minireflect.h>

#include "tflite_generated.h"

namespace polder {
namespace {

// Turns an option table into an attribute record: field names, enumerations by name.
class OptionReader final : public flatbuffers::IterationVisitor {
 public:
  Attrs attrs;

  void Field(std::size_t, std::size_t, flatbuffers::ElementaryType, bool,
             const flatbuffers::TypeTable*, const char* name, const std::uint8_t*) override {
    if (depth_ == 1) field_ = name ? name : "";
  }
  void StartSequence() override { ++depth_; }
  void EndSequence() override { --depth_; }
  void StartVector() override {
    in_vector_ = true;
    integers_.clear();
    reals_.clear();
  }
  void EndVector() override {
    in_vector_ = false;
    if (!reals_.empty()) attrs.set(field_, reals_);
    else attrs.set(field_, integers_);
  }
  void Bool(bool x) override { put(x); }
  void Char(std::int8_t x, const char* name) override { put(x, name); }
  void UChar(std::uint8_t x, const char* name) override { put(x, name); }
  void Short(std::int16_t x, const char* name) override { put(x, name); }
  void UShort(std::uint16_t x, const char* name) override { put(x, name); }
  void Int(std::int32_t x, const char* name) override { put(x, name); }
  void UInt(std::uint32_t x, const char* name) override { put(x, name); }
  void Long(std::int64_t x) override { put(x); }
  void ULong(std::uint64_t x) override { put(std::int64_t(x)); }
  void Float(float x) override { put_real(double(x)); }
  void Double(double x) override { put_real(x); }
  void String(const flatbuffers::String* s) override {
    if (depth_ == 1) attrs.set(field_, std::string(tflite_text(s)));
  }

 private:
  void put(std::int64_t x, const char* name = nullptr) {
    if (depth_ != 1) return;
    if (in_vector_) integers_.push_back(x);
    else if (name) attrs.set(field_, std::string(name));
    else attrs.set(field_, x);
  }
  void put_real(double x) {
    if (depth_ != 1) return;
    if (in_vector_) reals_.push_back(x);
    else attrs.set(field_, x);
  }

  int depth_ = 0;
  bool in_vector_ = false;
  std::string field_;
  std::vector<std::int64_t> integers_;
  std::vector<double> reals_;
};

}  // namespace

std::string_view tflite_text(const flatbuffers::String* text) {
  return text ? std::string_view(text->c_str(), text->size()) : std::string_view();
}

DataType tflite_type(tflite::TensorType type) {
  switch (type) {
    case tflite::TensorType::FLOAT32: return DataType::kF32;
    case tflite::TensorType::FLOAT16: return DataType::kF16;
    case tflite::TensorType::BFLOAT16: return DataType::kBF16;
    case tflite::TensorType::FLOAT64: return DataType::kF64;
    case tflite::TensorType::INT8: return DataType::kI8;
    case tflite::TensorType::UINT8: return DataType::kU8;
    case tflite::TensorType::INT16: return DataType::kI16;
    case tflite::TensorType::UINT16: return DataType::kU16;
    case tflite::TensorType::INT32: return DataType::kI32;
    case tflite::TensorType::UINT32: return DataType::kU32;
    case tflite::TensorType::INT64: return DataType::kI64;
    case tflite::TensorType::UINT64: return DataType::kU64;
    case tflite::TensorType::BOOL: return DataType::kBool;
    default: return DataType::kNone;
  }
}

Result<Attrs> tflite_attrs(const tflite::Operator& op) {
  const auto type = unsigned(op.builtin_options_type());
  if (type == 0 || !op.builtin_options()) return Attrs();
  const flatbuffers::TypeTable* types = tflite::BuiltinOptionsTypeTable();
  // Entry 0 of the union is NONE and has no table.
  if (type >= types->num_elems)
    return fail(Code::kUnsupported, "option table {} is not known", type);
  const flatbuffers::TypeCode code = types->type_codes[type];
  if (code.sequence_ref < 0) return Attrs();
  OptionReader reader;
  flatbuffers::IterateObject(static_cast<const std::uint8_t*>(op.builtin_options()),
                             types->type_refs[code.sequence_ref](), &reader);
  return std::move(reader.attrs);
}

}  // namespace polder
