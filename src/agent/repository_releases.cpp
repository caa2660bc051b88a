#include "agent/repository_releases.h"

#include <array>

#include "agent/device_pin.h"
#include "agent/device_settings.h"
#include "agent/sealed_models.h"
#include "base/check.h"
#include "base/fail.h"

namespace polder::agent {

namespace {

constexpr std::array kBothSlots = {Slot::kA, Slot::kB};

// A limit is what the releaser lets a model take; a worker that is given less may end at any time.
Status check_worker_memory(const trust::Manifest& manifest, const trust::Device& device,
                           const Config& config) {
  const auto chosen = trust::choose_artifacts(manifest, device);
  for (const trust::Artifact* artifact :
       chosen.ok() ? *chosen : std::vector<const trust::Artifact*>()) {
    if (artifact->kind == trust::ArtifactKind::kRuntime) continue;
    const std::int64_t bytes = manifest.limits_of(*artifact).memory_bytes.value_or(0);
    if (bytes <= config.worker.memory_bytes) continue;
    const std::int64_t megabytes = (bytes + (1 << 20) - 1) >> 20;
    return fail(Code::kExhausted,
                "'{}' may take {} MB of memory by its release, and [worker] memory_mb = {} of "
                "polderd.toml gives a worker less: set it to {} or more",
                artifact->name, megabytes, config.worker.memory_bytes >> 20, megabytes);
  }
  return {};
}

}  // namespace

// The pipeline of a release that is offered: of what is downloaded it comes first, for it is small
// and says what the device needs.
Result<std::string> RepositoryReleases::pipeline_of(const trust::Manifest& manifest) {
  const trust::Sha256& digest = manifest.pipeline->blob;
  const trust::Blob* blob = manifest.find_blob(digest);
  POLDER_CHECK(blob);
  const FetchProgress progress = [](std::uint64_t, std::uint64_t) { return Status(); };
  TRY(blobs_.fetch({digest, std::uint64_t(blob->bytes), {}, 0}, {}, blob_fetcher_, progress));
  return blobs_.get(digest, trust::kMaxPipelineBytes);
}

Status RepositoryReleases::is_set_up_for(const Offer& offer) {
  if (offer.unit == config_.runtime) return {};
  // What cannot be read or fetched is for the download to say.
  const auto manifest = read_manifest(blobs_, offer.release);
  if (!manifest.ok()) return {};
  TRY(check_worker_memory(*manifest, device_, config_));
  if (!manifest->pipeline) return {};
  const auto pipeline = pipeline_of(*manifest);
  if (!pipeline.ok()) return {};
  const std::span<const DeviceSetting> settings = config_.settings_of(offer.unit);
  TRY(check_device_settings(*pipeline, settings));
  return find_device_inputs(*pipeline, offer.unit, settings, [&](const std::string& name) {
    return manifest->pipeline->files.contains(name);
  });
}

Result<CheckOutcome> RepositoryReleases::check(const AgentState& state, std::int64_t now_s) {
  TRY_VALUE(CheckOutcome outcome, client_.check(state, now_s));
  std::erase_if(outcome.offers, [&](const Offer& offer) {
    const auto unit = state.units.find(offer.unit);
    const bool runs = unit != state.units.end() && unit->second.running() &&
                      *unit->second.running() == offer.release;
    Status fits = runs ? Status() : is_set_up_for(offer);
    if (fits.ok()) return false;
    outcome.refusals.push_back({offer.unit, offer.release, fits.error().message, true});
    return true;
  });
  return outcome;
}

std::vector<const trust::Artifact*> RepositoryReleases::Wanted::artifacts() const {
  std::vector<const trust::Artifact*> all;
  for (const std::size_t index : chosen) all.push_back(&manifest.artifacts[index]);
  return all;
}

Result<RepositoryReleases::Wanted> RepositoryReleases::wanted(const AgentState& state) {
  POLDER_CHECK(state.update);
  Wanted wanted;
  TRY_VALUE(wanted.manifest, read_manifest(blobs_, state.update->release, &wanted.bytes));
  TRY_VALUE(const auto chosen, choose_for_unit(wanted.manifest, device_, state.updated().runtime));
  for (const trust::Artifact* artifact : chosen)
    wanted.chosen.push_back(std::size_t(artifact - wanted.manifest.artifacts.data()));
  wanted.blobs = needed_blobs(wanted.manifest, chosen);
  return wanted;
}

// Frees what nothing needs before it says that there is no room.
Status RepositoryReleases::check_room_for(const AgentState& state, const Wanted& wanted) {
  TRY_VALUE(const std::uint64_t missing, blobs_.missing_bytes(wanted.blobs));
  TRY_VALUE(const std::uint64_t copies, slots_.copy_bytes(wanted.blobs));
  if (check_room(blobs_.storage(), missing + copies, kRoomMarginBytes).ok()) return {};
  TRY(tidy(state));
  return check_room(blobs_.storage(), missing + copies, kRoomMarginBytes);
}

Status RepositoryReleases::download(const AgentState& state, const Alive& alive) {
  TRY_VALUE(const Wanted wanted, this->wanted(state));
  TRY(check_room_for(state, wanted));
  std::vector<BlobRef> at_hand;
  std::map<trust::Sha256, trust::Artifact> sealed;
  const auto know = [&](const trust::Manifest& manifest) {
    for (const trust::Artifact& artifact : manifest.artifacts)
      if (artifact.sealed) sealed.emplace(artifact.sealed->file_id, artifact);
  };
  know(wanted.manifest);
  const Unit& unit = state.updated();
  for (const Slot slot : kBothSlots) {
    if (!unit.in(slot)) continue;
    const auto staged = slots_.open(state.update->unit, slot, *unit.in(slot));
    if (!staged.ok()) continue;  // it has suffered: its chunks are fetched
    for (const BlobRef& blob : staged->blobs()) at_hand.push_back(blob);
    know(staged->manifest);
  }
  counts_ = {};
  const FetchProgress progress = [&](std::uint64_t, std::uint64_t) {
    return alive ? alive() : Status();
  };
  const ContentKeys keys = [&](const trust::Sha256& file_id) -> Result<trust::ContentKey> {
    TRY_VALUE(const auto decrypter, open_device_decrypter(config_, blobs_.storage()));
    return content_key_of(blobs_.storage(), sealed.at(file_id), *decrypter);
  };
  for (const BlobRef& blob : wanted.blobs) {
    Status fetched = blobs_.fetch(blob, at_hand, blob_fetcher_, progress, &counts_, keys);
    const bool is_not_whole = !fetched.ok() && (fetched.error().code == Code::kNotFound ||
                                                fetched.error().code == Code::kCorrupt);
    if (is_not_whole) {
      return fail(fetched.error().code,
                  "{}; this copy of the repository is not whole: 'polder repo verify' says what is "
                  "wrong, copy it again",
                  fetched.error().message);
    }
    TRY(std::move(fetched));
  }
  return blobs_.sync_names();
}

Status RepositoryReleases::verify(const AgentState& state, const Alive& alive) {
  TRY_VALUE(const Wanted wanted, this->wanted(state));
  for (const BlobRef& blob : wanted.blobs) TRY(blobs_.verify(blob, alive));
  return {};
}

Status RepositoryReleases::stage(const AgentState& state, const Alive& alive) {
  TRY_VALUE(const Wanted wanted, this->wanted(state));
  const Update& update = *state.update;
  TRY_VALUE(const std::uint64_t copies, slots_.copy_bytes(wanted.blobs));
  TRY(slots_.stage(update.unit, update.slot, wanted.bytes, wanted.manifest, wanted.artifacts(),
                   alive));
  // Second names are the files that were verified; copies are others.
  return copies == 0 ? Status() : slots_.verify(update.unit, update.slot, update.release, alive);
}

Status RepositoryReleases::tidy(const AgentState& state) {
  std::set<trust::Sha256> keep, sealed;
  const auto keep_keys = [&](const trust::Manifest& manifest) {
    for (const trust::Artifact& artifact : manifest.artifacts)
      if (artifact.sealed) sealed.insert(artifact.sealed->file_id);
  };
  for (const auto& [name, unit] : state.units) {
    for (const Slot slot : kBothSlots) {
      if (!unit.in(slot)) continue;
      keep.insert(unit.in(slot)->manifest);
      const auto staged = slots_.open(name, slot, *unit.in(slot));
      if (!staged.ok() && staged.error().code == Code::kIo) return Error(staged.error());
      if (!staged.ok()) continue;
      keep.merge(digests_of(staged->blobs()));
      keep_keys(staged->manifest);
    }
  }
  if (state.update) {
    keep.insert(state.update->release.manifest);
    auto wanted = this->wanted(state);
    if (wanted.ok()) {
      keep.merge(digests_of(wanted->blobs));
      keep_keys(wanted->manifest);
    }
  }
  TRY(blobs_.collect(keep));
  return remove_sealed_keys(blobs_.storage(), sealed);
}

}  // namespace polder::agent
