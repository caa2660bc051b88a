// polder-tuf-conformance: Polder's TUF client as the command that the TUF conformance suite drives
// (docs/guide/tuf-conformance.md). A test tool, not installed: the suite's servers speak plain
// HTTP.
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "platform/http.h"
#include "trust/tuf_folder.h"
#include "trust/tuf_http.h"
#include "trust/tuf_updater.h"

namespace polder {
namespace {

using trust::tuf::FolderStore;
using trust::tuf::HttpFetcher;
using trust::tuf::Target;
using trust::tuf::TargetCheck;
using trust::tuf::Updater;

constexpr char kUsage[] =
    "usage: polder-tuf-conformance --metadata-dir DIR init ROOT\n"
    "       polder-tuf-conformance --metadata-dir DIR --metadata-url URL refresh\n"
    "       polder-tuf-conformance --metadata-dir DIR --metadata-url URL --target-name NAME...\n"
    "           --target-base-url URL --target-dir DIR download\n";

struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> words;

  Result<std::string> one(std::string_view name) const {
    const auto found = options.find(name);
    if (found != options.end()) return found->second.back();
    return fail(Code::kInvalid, "{} is needed\n{}", name, kUsage);
  }
};

Result<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      arguments.words.push_back(word);
    } else if (i + 1 == argc) {
      return fail(Code::kInvalid, "{} needs a value\n{}", word, kUsage);
    } else {
      arguments.options[word].push_back(argv[++i]);
    }
  }
  return arguments;
}

Status init(const Arguments& arguments) {
  if (arguments.words.size() != 2) return fail(Code::kInvalid, "{}", kUsage);
  TRY_VALUE(const std::string folder, arguments.one("--metadata-dir"));
  TRY_VALUE(const std::string root, read_file(arguments.words[1], trust::tuf::kMaxRootBytes));
  FolderStore store(folder);
  return store.replace(trust::tuf::stored_name("root"), root);
}

// Whether the file is there already and is what the repository lists.
bool is_there(const std::string& path, const Target& target) {
  const auto file = MappedFile::open(path);
  auto check = TargetCheck::start(target);
  if (!file || !check) return false;
  const auto bytes = file->bytes();
  return check->update({reinterpret_cast<const char*>(bytes.data()), bytes.size()}).ok() &&
         check->finish().ok();
}

Status download(const Arguments& arguments, Updater& updater) {
  TRY_VALUE(const std::string folder, arguments.one("--target-dir"));
  TRY_VALUE([[maybe_unused]] const std::string first, arguments.one("--target-name"));
  for (const std::string& name : arguments.options.at("--target-name")) {
    TRY_VALUE(const Target target, updater.find(name));
    const std::string path = folder + "/" + trust::tuf::percent_encoded(name);
    if (is_there(path, target)) continue;
    TRY_VALUE(const std::unique_ptr<OutputFile> file, DiskStore().create(path));
    TRY(updater.download(target, [&](std::string_view bytes) { return file->write(bytes); }));
    TRY(file->commit());
  }
  return {};
}

Status run(int argc, char** argv) {
  TRY_VALUE(const Arguments arguments, parse(argc, argv));
  const std::string command = arguments.words.empty() ? "" : arguments.words[0];
  if (command == "init") return init(arguments);
  if (command != "refresh" && command != "download") return fail(Code::kInvalid, "{}", kUsage);
  TRY_VALUE(const std::string metadata_dir, arguments.one("--metadata-dir"));
  TRY_VALUE(const std::string metadata_url, arguments.one("--metadata-url"));
  std::string target_url;
  if (command == "download") {
    TRY_VALUE(target_url, arguments.one("--target-base-url"));
  }
  SystemClock clock;
  const SystemWallClock wall_clock;
  TRY_VALUE(const std::unique_ptr<HttpClient> client, open_http_client({}, clock, wall_clock));
  HttpFetcher fetcher(*client, metadata_url, target_url);
  FolderStore store(metadata_dir);
  Updater updater(fetcher, store, wall_clock.now_s());
  TRY(updater.refresh());
  return command == "download" ? download(arguments, updater) : Status();
}

}  // namespace
}  // namespace polder

int main(int argc, char** argv) {
  const polder::Status status = polder::run(argc, argv);
  if (status.ok()) return 0;
  std::fprintf(stderr, "polder-tuf-conformance: %s\n", status.error().message.c_str());
  return 1;
}
