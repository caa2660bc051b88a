// A small ONNX file for the tests of both interfaces.
#pragma once

#include <string>
#include <vector>

namespace polder::onnx_file {

// A field of protobuf that holds bytes; a number is one byte here.
inline std::string field(int number, const std::string& bytes) {
  return std::string{char(number << 3 | 2), char(bytes.size())} + bytes;
}
inline std::string field(int number, int value) { return {char(number << 3), char(value)}; }

// y = op(inputs) for inputs f32[4,4]; with free rows the first is f32[rows,4].
inline std::string of(const std::string& op, const std::vector<std::string>& inputs,
                      bool free_rows = false) {
  std::string node, ports;
  for (const std::string& input : inputs) {
    const std::string rows = free_rows && ports.empty() ? field(2, "rows") : field(1, 4);
    const std::string dims = field(1, rows) + field(1, field(1, 4));
    const std::string type = field(2, field(1, field(1, 1) + field(2, dims)));
    node += field(1, input);
    ports += field(11, field(1, input) + type);
  }
  node += field(2, "y") + field(4, op);
  const std::string graph = field(1, node) + ports + field(12, field(1, "y"));
  return field(1, 8) + field(7, graph) + field(8, field(2, 17));
}

}  // namespace polder::onnx_file
