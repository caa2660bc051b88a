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

FileAccess files_of(const proto::Start& start, const pipeline::Graph& graph) {
  FileAccess access{.read = system_files(), .write = {}};
  const std::string slot = folder_of(start.pipeline);
  access.read.push_back(slot);
  for (const proto::ModelFile& model : start.models) access.read.push_back(model.path);
  for (const proto::ShadowModel& shadow : start.shadows) access.read.push_back(shadow.model.path);
  for (const pipeline::NodeSpec& node : graph.nodes) {
    if (!node.type->inputs.empty() || !has_option(*node.type, "path")) continue;
    // Of the slot's own files no link may lead out of it.
    const std::string& path = node.settings.string("path");
    if (path.starts_with('/') || path.find("..") != path.npos)
      access.read.push_back(pipeline::path_in(slot, path));
  }
  const std::string program = program_folder();
  access.read.push_back(program + "/polder_video_libav.so");
  access.read.push_back(program + "/../lib/polder");
  if (!start.output_folder.empty()) access.write.push_back(start.output_folder);
  return access;
}

FileAccess files_of(const proto::Probe& probe) {
  FileAccess access{.read = system_files(), .write = {}};
  access.read.push_back(probe.model.path);
  for (const proto::GoldenCase& golden : probe.goldens) {
    for (const auto* files : {&golden.inputs, &golden.outputs})
      for (const proto::GoldenFile& file : *files) access.read.push_back(file.path);
  }
  return access;
}

}  // namespace polder::agent
