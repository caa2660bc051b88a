#include "agent/worker_files.h"

#include <algorithm>

#include "pipeline/node.h"
#include "platform/library.h"

namespace polder::agent {
namespace {

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Shared libraries, and what the C++ library asks of the machine.
std::vector<std::string> system_files() {
  return {"/lib",
          "/lib64",
          "/usr/lib",
          "/usr/local/lib",
          "/etc/ld.so.cache",
          "/proc/self",
          "/sys/devices/system/cpu"};
}

bool has_option(const pipeline::NodeType& type, std::string_view name) {
  return std::ranges::any_of(type.options, [&](const Option& o) { return o.name == name; });
}

}  // namespace

std::vector<std::string> files_of(const proto::Start& start, const pipeline::Graph& graph) {
  std::vector<std::string> files = system_files();
  const std::string slot = folder_of(start.pipeline);
  files.push_back(slot);
  for (const proto::ModelFile& model : start.models) files.push_back(model.path);
  for (const proto::ShadowModel& shadow : start.shadows) files.push_back(shadow.model.path);
  for (const pipeline::NodeSpec& node : graph.nodes) {
    if (!node.type->inputs.empty() || !has_option(*node.type, "path")) continue;
    // Of the slot's own files no link may lead out of it.
    const std::string& path = node.settings.string("path");
    if (path.starts_with('/') || path.find("..") != path.npos)
      files.push_back(pipeline::path_in(slot, path));
  }
  const std::string program = program_folder();
  files.push_back(program + "/polder_video_libav.so");
  files.push_back(program + "/../lib/polder");
  return files;
}

std::vector<std::string> files_of(const proto::Probe& probe) {
  std::vector<std::string> files = system_files();
  files.push_back(probe.model.path);
  for (const proto::GoldenCase& golden : probe.goldens) {
    for (const auto* tensors : {&golden.inputs, &golden.outputs})
      for (const proto::GoldenFile& file : *tensors) files.push_back(file.path);
  }
  return files;
}

}  // namespace polder::agent
