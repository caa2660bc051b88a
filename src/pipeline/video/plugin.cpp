#include "pipeline/video/plugin.h"

#include <cstdlib>
#include <vector>

#include "base/fail.h"
#include "platform/library.h"

namespace polder::pipeline {
namespace {

constexpr const char* kFile = "polder_video_libav.so";

std::vector<std::string> places(const std::string& folder) {
  if (!folder.empty()) return {folder};
  std::vector<std::string> out;
  if (const char* path = std::getenv("POLDER_PLUGIN_PATH"); path && *path) out.emplace_back(path);
  const std::string program = program_folder();
  out.push_back(program);
  out.push_back(program + "/../lib/polder");
  return out;
}

}  // namespace

Result<std::shared_ptr<const PolderVideoPlugin>> load_video_plugin(const std::string& folder) {
  std::string reasons;
  for (const std::string& place : places(folder)) {
    auto opened = SharedLibrary::open(place + "/" + kFile);
    if (!opened.ok()) {
      reasons += (reasons.empty() ? " " : "; ") + opened.error().message;
      continue;
    }
    auto library = std::make_shared<SharedLibrary>(std::move(opened).value());
    using Entry = const PolderVideoPlugin* (*)();
    const auto entry = reinterpret_cast<Entry>(library->symbol("polder_video_plugin"));
    const PolderVideoPlugin* plugin = entry ? entry() : nullptr;
    if (!plugin || plugin->abi != POLDER_VIDEO_ABI)
      return fail(Code::kIncompatible,
                  "{}/{}: it does not speak version {} of the video plug-in "
                  "interface; build it together with this program",
                  place, kFile, POLDER_VIDEO_ABI);
    return std::shared_ptr<const PolderVideoPlugin>(std::move(library), plugin);
  }
  return fail(
      Code::kUnavailable,
      "the video plug-in {} cannot be loaded; build it (it needs "
      "libavformat-dev libavcodec-dev libswscale-dev) and put it beside the program or into its "
      "../lib/polder, where workers of polderd look alone, or set POLDER_PLUGIN_PATH to its "
      "folder. "
      "Tried:{}",
      kFile, reasons);
}

}  // namespace polder::pipeline
