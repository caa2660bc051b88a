// The order in which the nodes of an ONNX graph can run.
#pragma once

#include <onnx.pb.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "base/fail.h"

namespace polder {

using OnnxNodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// Indices of `nodes` so that each comes after the nodes whose outputs it, or a body of it, reads;
// the file's order where that is one. An error names a node that waits for itself.
Result<std::vector<int>> order_of(const OnnxNodes& nodes);

// The names that a node reads: its inputs, and what its bodies read of the graph around them.
void add_names_read(const onnx::NodeProto& node, std::unordered_set<std::string>& names);

// What errors call a node: its name, or that of its first output.
std::string node_name(const onnx::NodeProto& node);

}  // namespace polder
