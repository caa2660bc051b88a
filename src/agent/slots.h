// The two slots of each unit: a release that is staged whole in one of them, beside the one that
// runs.
//
//   TRY(check_room(storage, missing + slots.copy_bytes(blobs).value(), kRoomMarginBytes));
//   TRY(slots.stage("people", Slot::kB, manifest_bytes, manifest, chosen));
//   TRY(slots.verify("people", Slot::kB, release));
//   TRY_VALUE(const StagedRelease staged, slots.open("people", Slot::kB, release));
//
//   slots/UNIT/b/manifest.json             the last to come and the first to go: what has none is
//                chosen.json               nothing; which artifacts this device has chosen
//                pipeline.toml, labels.txt the pipeline and what it reads, by name
//                models/NAME.plan          or .tflite, .onnx; a sealed one is as it came
//                goldens/SHA256.npy
//                polderd                   of a release of the runtime
//
// Files are second names of blobs where the file system has such, else copies. Which slot is active
// is in the agent's state and nowhere else.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/blob_store.h"
#include "agent/release_id.h"
#include "agent/state.h"
#include "platform/program.h"
#include "trust/manifest.h"

namespace polder::agent {

// Files in one slot.
inline constexpr std::size_t kMaxSlotFiles = 2 * trust::kMaxBlobs;

struct StagedFile {
  std::string name;  // in the storage: "slots/people/b/models/detector.plan"
  BlobRef blob;
};

struct StagedModel {
  trust::Artifact artifact;
  std::string name;  // in the storage
};

// What a slot holds. Names are those of the storage; Storage::path() of them is where they can be
// mapped.
struct StagedRelease {
  ReleaseId release;
  trust::Manifest manifest;
  std::string folder;
  std::vector<StagedModel> models;  // the chosen artifacts: models, or polderd
  std::vector<StagedFile> files;    // all but manifest.json and chosen.json

  std::string pipeline() const { return manifest.pipeline ? folder + "/pipeline.toml" : ""; }
  std::string golden(const trust::Sha256& blob) const;
  // nullptr when the device has not chosen one of that name.
  const StagedModel* find_model(std::string_view name) const;
  // For BlobStore::fetch() of the next release, and, with their indices, BlobStore::collect().
  std::vector<BlobRef> blobs() const;
};

// Blobs with their indices.
std::set<trust::Sha256> digests_of(std::span<const BlobRef> blobs);

ReleaseId release_id(const trust::Manifest& manifest, std::string_view manifest_bytes);

// Of the release in a slot: "slots/people/b/pipeline.toml".
std::string slot_pipeline(const std::string& unit, Slot slot);

// Whether a slot can hold it: the pipeline's files must not have names that a slot needs for
// itself. Errors: kInvalid.
Status check_slot_names(const trust::Manifest& manifest);

// Borrows the blobs and their storage. Not thread-safe.
class Slots {
 public:
  explicit Slots(BlobStore& blobs) : blobs_(&blobs), storage_(&blobs.storage()) {}

  // What staging them takes beside the blobs themselves: nothing where files have second names.
  Result<std::uint64_t> copy_bytes(std::span<const BlobRef> blobs);
  // Clears the slot and stages the release, whose needed_blobs() are in the store. Until it returns
  // the slot holds nothing. `chosen` are artifacts of the manifest, whose bytes are
  // `manifest_bytes`. Errors: kInvalid for a pipeline whose files have names that a slot needs;
  // kNotFound for a blob that is not there; kExhausted; kIo.
  Status stage(const std::string& unit, Slot slot, std::string_view manifest_bytes,
               const trust::Manifest& manifest, std::span<const trust::Artifact* const> chosen,
               const Alive& alive = {});
  // Fine when it is empty.
  Status clear(const std::string& unit, Slot slot);
  // Errors: kNotFound when the slot is empty; kCorrupt when it holds another release or is not
  // whole, judged by names and sizes.
  Result<StagedRelease> open(const std::string& unit, Slot slot, const ReleaseId& release);
  // As open(), and hashes every file. Errors: kCorrupt.
  Status verify(const std::string& unit, Slot slot, const ReleaseId& release,
                const Alive& alive = {});
  // The polderd of a release of the runtime, hashed as it will be run. Errors: of verify().
  Result<ProgramFile> program(const std::string& unit, Slot slot, const ReleaseId& release,
                              const Alive& alive = {});
  // Names of units that have slots, configured or not.
  Result<std::vector<std::string>> units();

 private:
  Status put(const StagedFile& file, const Alive& alive);

  BlobStore* blobs_;
  Storage* storage_;
};

}  // namespace polder::agent
