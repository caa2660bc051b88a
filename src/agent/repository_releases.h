// The releases of a repository, brought onto the device: what the driver's actions do.
//
//   RepositoryReleases releases(config, device, fetcher, blob_fetcher, blobs);
//   Driver driver(config, policy, {.releases = releases, ...}, self);
//
// Each call can be repeated after a power cut in its middle. Low disk: before a download begins
// there must be room for all that is missing, for copies where files have no second names, and a
// margin; what the running release and the way back need is never removed for it.
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

#include "agent/blob_fetcher.h"
#include "agent/blob_store.h"
#include "agent/config.h"
#include "agent/driver.h"
#include "agent/repository_client.h"
#include "agent/slots.h"
#include "trust/manifest.h"
#include "trust/tuf_updater.h"

namespace polder::agent {

// Borrows all of them. Not thread-safe.
class RepositoryReleases final : public Releases {
 public:
  RepositoryReleases(const Config& config, const trust::Device& device,
                     trust::tuf::Fetcher& fetcher, BlobFetcher& blob_fetcher, BlobStore& blobs)
      : config_(config),
        device_(device),
        blob_fetcher_(blob_fetcher),
        blobs_(blobs),
        slots_(blobs),
        client_(config, device, fetcher, blobs) {}

  // What this device is not set up for (its settings, the inputs that it names, the memory of a
  // worker) is a refusal as well, Refusal::is_own, before anything of it is installed. Of a release
  // that runs already it is not.
  Result<CheckOutcome> check(const AgentState& state, std::int64_t now_s) override;
  std::optional<std::int64_t> new_root() override { return client_.new_root(); }
  Status download(const AgentState& state, const Alive& alive) override;
  Status verify(const AgentState& state, const Alive& alive) override;
  Status stage(const AgentState& state, const Alive& alive) override;
  Status clear(const std::string& unit, Slot slot) override { return slots_.clear(unit, slot); }
  Status verify_slot(const std::string& unit, Slot slot, const ReleaseId& release,
                     const Alive& alive) override {
    return slots_.verify(unit, slot, release, alive);
  }
  Status tidy(const AgentState& state) override;

  Slots& slots() { return slots_; }
  // Of the last download.
  const FetchCounts& counts() const { return counts_; }

 private:
  // The release of the update that is under way.
  struct Wanted {
    std::string bytes;
    trust::Manifest manifest;
    std::vector<std::size_t> chosen;  // of its artifacts
    std::vector<BlobRef> blobs;

    std::vector<const trust::Artifact*> artifacts() const;
  };
  Result<Wanted> wanted(const AgentState& state);
  Status is_set_up_for(const Offer& offer);
  Result<std::string> pipeline_of(const trust::Manifest& manifest);
  Status check_room_for(const AgentState& state, const Wanted& wanted);

  const Config& config_;
  const trust::Device& device_;
  BlobFetcher& blob_fetcher_;
  BlobStore& blobs_;
  Slots slots_;
  RepositoryClient client_;
  FetchCounts counts_;
};

}  // namespace polder::agent
