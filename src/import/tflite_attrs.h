// What a TFLite file calls types and options, in our words.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <string_view>

#include "base/fail.h"
#include "graph/attrs.h"
#include "graph/dims.h"

namespace polder {

namespace tflite {
struct Operator;
enum class TensorType : std::int8_t;
}  // namespace tflite

// "" when the file has none.
std::string_view tflite_text(const flatbuffers::String* text);

// kNone for what Polder has no type for.
DataType tflite_type(tflite::TensorType type);

// The operator's option table as an attribute record: field names, enumerations by name.
Result<Attrs> tflite_attrs(const tflite::Operator& op);

}  // namespace polder
