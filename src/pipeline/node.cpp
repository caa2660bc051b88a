#include "pipeline/node.h"

#include <algorithm>

#include "base/fail.h"

namespace polder::pipeline {

std::string path_in(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : folder + "/" + path;
}

std::string plain_path(std::string_view path) {
  std::string plain = path.starts_with('/') ? "/" : "";
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (!plain.empty() && plain.back() != '/') plain += '/';
    plain += part;
  }
  return plain;
}

Result<std::string> output_path(const Environment& environment, const Settings& settings,
                                std::string_view option) {
  const std::string& path = settings.string(option);
  if (path.empty() || path.starts_with('/') || ("/" + path + "/").find("/../") != std::string::npos)
    return fail(Code::kDenied,
                "{}: '{}' is '{}'; outputs go below the output folder (--out), so the "
                "path must be relative and without '..'",
                settings.place(option), option, path);
  return path_in(environment.output_folder, path);
}

Error at_node(Error error, std::string_view name) {
  if (error.message.find(fmt::format("[[node]] '{}'", name)) != std::string::npos) return error;
  return std::move(error).at(fmt::format("node '{}'", name));
}

}  // namespace polder::pipeline
