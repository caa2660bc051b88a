#include "hub/rollouts/able.h"

#include <polder/error.h>

#include <cstddef>
#include <cstdint>

#include "base/fail.h"
#include "trust/json.h"

namespace polder::hub {
namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMost = 4'096;  // artifacts of a release

Result<trust::Artifact> artifact_of(const Json& json) {
  TRY_VALUE(const Object from, Object::of(json, "artifacts"));
  trust::Artifact artifact;
  TRY_VALUE(artifact.name, from.text("name"));
  TRY_VALUE(artifact.target, from.text("target"));
  TRY_VALUE(const std::string kind, from.text("kind"));
  if (kind == artifact_kind_name(trust::ArtifactKind::kRuntime))
    artifact.kind = trust::ArtifactKind::kRuntime;
  if (!from.has("requires")) return artifact;
  TRY_VALUE(const Object needs, from.object("requires"));
  if (needs.has("backend")) {
    TRY_VALUE(artifact.requirement.backend, needs.text("backend"));
  }
  if (needs.has("plan_format")) {
    TRY_VALUE(artifact.requirement.plan_format, needs.integer("plan_format", 0, INT64_MAX));
  }
  return artifact;
}

Result<trust::Manifest> release_of(const std::string& model, const Row& row) {
  TRY_VALUE(const Json json, Json::parse(row[1].text(), "model_release.details"));
  TRY_VALUE(const Object details, Object::of(json, "details"));
  TRY_VALUE(const Json::Array* const artifacts, details.array("artifacts", kMost));
  trust::Manifest release;
  release.model = model;
  TRY_VALUE(release.version, trust::Version::parse(row[0].text(), "model_release.version"));
  for (const Json& each : *artifacts) {
    TRY_VALUE(trust::Artifact artifact, artifact_of(each));
    release.artifacts.push_back(std::move(artifact));
  }
  return release;
}

Result<trust::Device> device_of(const std::string& abilities) {
  constexpr std::size_t kNames = 64;
  TRY_VALUE(const Json json, Json::parse(abilities, "device_machine.abilities"));
  TRY_VALUE(const Object from, Object::of(json, "abilities"));
  trust::Device device;
  TRY_VALUE(device.targets, from.texts("targets", kNames));
  TRY_VALUE(device.backends, from.texts("backends", kNames));
  TRY_VALUE(device.plan_format, from.integer("plan_format", 0, INT64_MAX));
  return device;
}

std::string why_not_of(const std::vector<trust::Manifest>& releases, const std::string& abilities) {
  const auto device = device_of(abilities);
  if (!device.ok()) return {};
  for (const trust::Manifest& release : releases)
    if (const auto chosen = choose_artifacts(release, *device); !chosen.ok())
      return chosen.error().message;
  return {};
}

}  // namespace

Needs::Needs(const std::string& model, const Rows& releases) {
  for (const Row& row : releases)
    if (auto release = release_of(model, row); release.ok())
      releases_.push_back(std::move(*release));
}

const std::string& Needs::why_not(const Value& abilities) {
  static const std::string kAble;
  if (abilities.is_null() || releases_.empty()) return kAble;
  const auto [found, is_new] = known_.try_emplace(abilities.text());
  if (is_new) found->second = why_not_of(releases_, abilities.text());
  return found->second;
}

}  // namespace polder::hub
