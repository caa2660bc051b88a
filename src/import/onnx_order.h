// The order in which the nodes of an ONNX graph can run.
#pragma once

#include <onnx.pb.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "base/fail.h"

namespace polder {

using OnnxNodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// Orders graphs, each once: a graph together with the bodies of its nodes, in time linear in what
// they hold, however deep they are nested.
class OnnxOrder {
 public:
  // Indices of `nodes` so that each comes after the nodes whose outputs it, or a body of it, reads;
  // the file's order where that is one. An error names a node that waits for itself.
  const Result<std::vector<int>>& of(const OnnxNodes& nodes);

 private:
  std::unordered_map<const OnnxNodes*, Result<std::vector<int>>> orders_;
};

// What errors call a node: its name, or that of its first output.
std::string node_name(const onnx::NodeProto& node);

}  // namespace polder
