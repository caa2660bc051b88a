// polder release create and show: a release as a folder.
#include "release/create.h"

#include <algorithm>
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/release/common.h"
#include "cli/release/licence.h"
#include "cli/repo/common.h"
#include "release/description.h"
#include "trust/release_folder.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {

namespace {

constexpr Option kCreateOptions[] = {
    {"--output", "FOLDER", "where the release goes (default: MODEL-VERSION); must not be there"},
    {"--make-goldens", "", "records what the model makes of inputs for which no outputs are named"},
    {"--no-limits-check", "",
     "makes it also where this machine misses its limits, for devices that have more"},
    {"--reference", "", "prints the keys of release.toml as Markdown"},
    POLDER_AUDIT_LOG_OPTION,
    {"--json", "", "prints the release as JSON"}};

// What is as described, and may not be what is meant.
std::vector<std::string> warnings_of(const release::CreatedRelease& created) {
  const trust::Manifest& manifest = created.release.manifest;
  std::vector<std::string> all = unknown_licences(manifest.licence);
  for (const std::string& setting : created.unset) {
    all.push_back(fmt::format(
        "{} is no file of this release: each device has to set it, in [pipeline.{}] of its "
        "polderd.toml",
        one_line(setting), manifest.model));
  }
  const bool has_models = std::ranges::any_of(manifest.artifacts, [](const auto& artifact) {
    return artifact.kind != trust::ArtifactKind::kRuntime;
  });
  if (has_models && !manifest.pipeline) {
    all.push_back(fmt::format(
        "{} {} has no [pipeline]: devices keep its models for other programs and run nothing of "
        "it; one that runs a pipeline of {} refuses it",
        manifest.model, manifest.version.text(), manifest.model));
  }
  return all;
}

Result<int> create(const Args& args) {
  if (args.has("--reference")) {
    fmt::print("{}", release::description_reference());
    return 0;
  }
  if (args.positional().empty()) {
    return fail(Code::kInvalid, "which description? Name a release.toml");
  }
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(const auto description, release::read_description(args.positional()[0]));
  release::CreateOptions options;
  TRY_VALUE(options.created_s, signing_time());
  options.make_goldens = args.has("--make-goldens");
  options.check_limits = !args.has("--no-limits-check");
  const std::string beside = description.model + "-" + description.version.text();
  TRY_VALUE(const auto created,
            release::create_release(description, args.text("--output", beside), options));
  TRY(acts.add(trust::Act::kReleaseCreated, beside, {},
               {{"folder", created.release.folder},
                {"manifest_sha256", trust::hex(created.release.digest())}}));
  const std::vector<std::string> warnings = warnings_of(created);
  for (const std::string& warning : warnings) fmt::print(stderr, "polder: {}\n", warning);
  if (args.has("--json")) {
    trust::Json::Members json = release_json(created.release);
    json["goldens"] = goldens_json(created.goldens);
    json["limits"] = limits_json(created.limits);
    json["warnings"] = trust::Json::Array(warnings.begin(), warnings.end());
    fmt::print("{}", trust::Json(std::move(json)).pretty());
  } else {
    print_release(created.release);
    print_goldens(created.goldens);
    print_limits(created.limits);
  }
  return 0;
}

constexpr Option kShowOptions[] = {{"--json", "", "prints the same as JSON"}};

Result<int> show(const Args& args) {
  TRY_VALUE(const auto release, trust::open_release(args.positional()[0]));
  if (args.has("--json")) {
    fmt::print("{}", trust::Json(release_json(release)).pretty());
  } else {
    print_release(release);
  }
  return 0;
}

}  // namespace

const Command kReleaseCreate = {
    .name = "release create",
    .summary =
        "Makes a release: a folder with a manifest and all that it names by SHA-256.\nWhat plans "
        "need is read from them; large files get chunk indices, so that devices fetch only what is "
        "new;\nevery golden and limit is tried on each artifact that runs here. The folder is "
        "complete or "
        "not there.",
    .arguments = "DESCRIPTION.toml",
    .example =
        "  polder release create release.toml --make-goldens --output people-1.2.0\n"
        "  polder repo add repo people-1.2.0 --key targets.pem",
    .options = kCreateOptions,
    .min_positional = 0,
    .max_positional = 1,
    .run = create};

const Command kReleaseShow = {
    .name = "release show",
    .summary = "Shows a release folder: what runs where, how large it is, what is known of it.",
    .arguments = "FOLDER",
    .example = "  polder release show people-1.2.0 --json",
    .options = kShowOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = show};

}  // namespace polder::cli
