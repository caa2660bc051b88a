// Asks a repository what this device should run, and believes nothing that is not signed.
//
//   RepositoryClient client(config, device, fetcher, blobs);
//   TRY_VALUE(const CheckOutcome outcome, client.check(state, now_s));
//
// A check refreshes the metadata (trust/tuf_updater.h), reads the floors, which the top level's
// targets role alone may list, and the assignment of this device where the repository has the role
// "assignments"; where it has none, the highest version of each configured name is taken. Whatever
// chose them, releases must be targets that offline roles sign (NAME/VERSION/manifest.json), at or
// above every floor, allowed by the configuration, and fit for this device.
//
// A release that this device has committed and lost (lost()) is offered again, after all others,
// though nobody chooses it any more: with its slot it would run on as well. Not where the unit runs
// what is chosen.
//
// In the storage: metadata/ROLE.json, what is trusted, and metadata/root.copy and root.version, so
// that a disk that damages the root brings no older one back. The manifests of what is offered are
// kept as blobs, so that an update goes on without the repository's metadata.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/blob_store.h"
#include "agent/config.h"
#include "agent/driver.h"
#include "trust/assignment.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/tuf_updater.h"

namespace polder::agent {

inline constexpr char kMetadataFolder[] = "metadata";

// Trusted metadata in a storage, in kMetadataFolder.
class StoredMetadata final : public trust::tuf::MetadataStore {
 public:
  explicit StoredMetadata(Storage& storage) : storage_(&storage) {}
  struct Root {
    std::string bytes;
    std::int64_t version = 0;
  };

  // The newest that was trusted here. Errors: kNotFound when none ever was; kCorrupt when all that
  // the disk has left is older.
  Result<Root> root();
  // Makes the folder. A root that is there stays, for it has risen from the first one, and what is
  // damaged of its copies is written anew. In the place of one that is lost the first one is taken
  // only where its version is no lower. Errors: those of root() and, for the first one, of
  // TrustedSet::start(); kIo.
  Status start(std::string_view first_root);
  Result<std::string> read(const std::string& name, std::size_t cap_bytes) override;
  Status replace(const std::string& name, std::string_view bytes) override;
  Status remove(const std::string& name) override;

 private:
  Status keep_root(const Root& root);

  Storage* storage_;
};

// "people/1.2.0/manifest.json".
std::string manifest_target(const std::string& model, const trust::Version& version);

// What a unit takes of a release: one artifact of each name, of models or of polderd itself.
// Borrows the manifest. Errors: kIncompatible when the release has nothing for the unit or for this
// device, saying what it has.
Result<std::vector<const trust::Artifact*>> choose_for_unit(const trust::Manifest& manifest,
                                                            const trust::Device& device,
                                                            bool is_runtime);

// The manifest of a release that a check has offered. Errors: kNotFound; kCorrupt.
Result<trust::Manifest> read_manifest(BlobStore& blobs, const ReleaseId& release,
                                      std::string* bytes = nullptr);

// Borrows all of them. Not thread-safe.
class RepositoryClient {
 public:
  RepositoryClient(const Config& config, const trust::Device& device, trust::tuf::Fetcher& fetcher,
                   BlobStore& blobs)
      : config_(config), device_(device), fetcher_(fetcher), blobs_(blobs) {}

  // `state` is valid. Errors: those of Updater; kNotFound when no root is trusted yet; kCorrupt for
  // floors or an assignment that cannot be read. What is wrong with one release, of its role or of
  // its manifest, is a refusal and no error: it holds up no other.
  Result<CheckOutcome> check(const AgentState& state, std::int64_t now_s);
  // Releases::new_root().
  std::optional<std::int64_t> new_root() { return std::exchange(new_root_, std::nullopt); }

 private:
  // What should run, whoever says so.
  struct Wish {
    std::string unit;
    trust::Version version;
    bool is_runtime = false;
    // Nobody has chosen it: it is what this device committed last, and its slot was lost. Only this
    // very release will do.
    std::optional<ReleaseId> lost = {};
  };

  Status add_floors(trust::tuf::Updater& updater, std::map<std::string, trust::Version>& floors);
  Result<trust::Assignment> assignment(trust::tuf::Updater& updater);
  Result<Wish> highest(trust::tuf::Updater& updater, const std::string& unit, bool is_runtime);
  Result<std::vector<Wish>> wishes(trust::tuf::Updater& updater, std::int64_t now_s,
                                   trust::Assignment& assignment, std::vector<Refusal>& refusals);
  static void add_lost(const AgentState& state, std::vector<Wish>& wishes);
  static std::string reason_of(const Wish& wish, const Error& error);
  std::string unassigned(const trust::Assignment& assignment) const;
  Status is_allowed(const Wish& wish) const;
  Status leaves_something_to_run(const Unit& unit, const trust::Manifest& manifest) const;
  Result<ReleaseId> accept(trust::tuf::Updater& updater, const Unit& unit, const Wish& wish);
  Status fetch_sealed_keys(trust::tuf::Updater& updater, const trust::Manifest& manifest,
                           std::span<const trust::Artifact* const> chosen);
  Result<std::string> fetch_manifest(trust::tuf::Updater& updater,
                                     const trust::tuf::Target& target);
  bool has_unit(const std::string& name, bool is_runtime) const;

  const Config& config_;
  const trust::Device& device_;
  trust::tuf::Fetcher& fetcher_;
  BlobStore& blobs_;
  std::optional<std::int64_t> new_root_;
};

}  // namespace polder::agent
