#include "agent/slots.h"

#include <algorithm>
#include <optional>

#include "agent/blob_download.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/json.h"

namespace polder::agent {

namespace {

using trust::Artifact;
using trust::ArtifactKind;
using trust::Json;
using trust::Manifest;
using trust::Object;

constexpr char kSlots[] = "slots", kManifest[] = "manifest.json", kChosen[] = "chosen.json";
constexpr char kPipeline[] = "pipeline.toml", kModels[] = "models", kGoldens[] = "goldens";
constexpr std::size_t kMaxChosenBytes = 16u << 10;
constexpr std::int64_t kChosenFormat = 1;

Result<std::string> folder_of(const std::string& unit, Slot slot) {
  if (!trust::is_release_name(unit) || slot == Slot::kNone)
    return fail(Code::kInvalid, "'{}' {}: no slot of a unit", clipped(unit), slot_name(slot));
  return fmt::format("{}/{}/{}", kSlots, unit, slot_name(slot));
}

std::string name_of(const std::string& folder, const Artifact& artifact) {
  if (artifact.kind == ArtifactKind::kRuntime) return folder + "/" + artifact.name;
  return fmt::format("{}/{}/{}.{}", folder, kModels, artifact.name,
                     trust::artifact_kind_name(artifact.kind));
}

// The files of a slot but its own two.
std::vector<StagedFile> files_of(const std::string& folder, const Manifest& manifest,
                                 std::span<const Artifact* const> chosen) {
  std::map<trust::Sha256, BlobRef> refs;
  for (const BlobRef& blob : needed_blobs(manifest, chosen)) refs.emplace(blob.sha256, blob);
  std::map<std::string, BlobRef> files;
  const auto add = [&](std::string name, const trust::Sha256& blob) {
    if (const auto ref = refs.find(blob); ref != refs.end())
      files.emplace(std::move(name), ref->second);
  };
  for (const Artifact* artifact : chosen) add(name_of(folder, *artifact), artifact->blob);
  if (manifest.pipeline) {
    add(fmt::format("{}/{}", folder, kPipeline), manifest.pipeline->blob);
    for (const auto& [name, blob] : manifest.pipeline->files) add(folder + "/" + name, blob);
  }
  for (const trust::Golden& golden : manifest.goldens) {
    for (const auto* tensors : {&golden.inputs, &golden.outputs})
      for (const trust::GoldenTensor& tensor : *tensors)
        add(fmt::format("{}/{}/{}.npy", folder, kGoldens, trust::hex(tensor.blob)), tensor.blob);
  }
  std::vector<StagedFile> all;
  for (auto& [name, blob] : files) all.push_back({name, blob});
  return all;
}

std::string chosen_bytes(const ReleaseId& release, const Manifest& manifest,
                         std::span<const Artifact* const> chosen) {
  Json::Array numbers;
  for (const Artifact* artifact : chosen) {
    const auto at = std::find(manifest.artifacts.begin(), manifest.artifacts.end(), *artifact);
    POLDER_CHECK(at != manifest.artifacts.end());
    numbers.push_back(std::int64_t(at - manifest.artifacts.begin()));
  }
  return Json(Json::Members{{"format", kChosenFormat},
                            {"manifest", trust::hex(release.manifest)},
                            {"artifacts", std::move(numbers)}})
             .compact() +
         "\n";
}

Result<std::vector<const Artifact*>> read_chosen(std::string_view bytes, const std::string& where,
                                                 const ReleaseId& release,
                                                 const Manifest& manifest) {
  TRY_VALUE(const Json document, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(document, where));
  TRY(object.only({"format", "manifest", "artifacts"}));
  TRY(object.integer("format", kChosenFormat, kChosenFormat));
  TRY_VALUE(const trust::Sha256 digest, trust::read_digest(object, "manifest"));
  if (digest != release.manifest) return fail(Code::kCorrupt, "{}: of another release", where);
  TRY_VALUE(const Json::Array* numbers, object.array("artifacts", trust::kMaxArtifacts));
  std::vector<const Artifact*> chosen;
  for (const Json& number : *numbers) {
    const std::int64_t* index = number.integer();
    if (index == nullptr || *index < 0 || std::size_t(*index) >= manifest.artifacts.size())
      return fail(Code::kCorrupt, "{}.artifacts: numbers of artifacts expected", where);
    chosen.push_back(&manifest.artifacts[std::size_t(*index)]);
  }
  return chosen;
}

Error as_corrupt(Error error) {
  if (error.code == Code::kNotFound || error.code == Code::kExhausted) error.code = Code::kCorrupt;
  return error;
}

// Of a folder that may not be there. Folders in it are left out.
Status remove_files(Storage& storage, const std::string& folder) {
  auto names = storage.list(folder, kMaxSlotFiles);
  if (!names.ok() && names.error().code == Code::kNotFound) return {};
  if (!names.ok()) return std::move(names).error();
  bool is_changed = false;
  for (const std::string& name : *names) {
    if (name.ends_with('/')) continue;
    TRY(storage.remove(folder + "/" + name));
    is_changed = true;
  }
  return is_changed ? storage.sync(folder) : Status();
}

}  // namespace

std::string StagedRelease::golden(const trust::Sha256& blob) const {
  return fmt::format("{}/{}/{}.npy", folder, kGoldens, trust::hex(blob));
}

const StagedModel* StagedRelease::find_model(std::string_view name) const {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [&](const StagedModel& m) { return m.artifact.name == name; });
  return found == models.end() ? nullptr : &*found;
}

std::vector<BlobRef> StagedRelease::blobs() const {
  std::vector<BlobRef> all;
  for (const StagedFile& file : files) all.push_back(file.blob);
  return all;
}

std::set<trust::Sha256> digests_of(std::span<const BlobRef> blobs) {
  std::set<trust::Sha256> all;
  for (const BlobRef& blob : blobs) {
    all.insert(blob.sha256);
    if (blob.index) all.insert(*blob.index);
    if (blob.inside) all.insert(blob.inside->index);
  }
  return all;
}

std::string slot_pipeline(const std::string& unit, Slot slot) {
  return fmt::format("{}/{}/{}/{}", kSlots, unit, slot_name(slot), kPipeline);
}

Status check_slot_names(const Manifest& manifest) {
  if (!manifest.pipeline) return {};
  for (const auto& [name, blob] : manifest.pipeline->files) {
    for (const std::string_view own : {kManifest, kChosen, kPipeline, kModels, kGoldens}) {
      if (name != own && name != std::string(own) + ".new") continue;
      return fail(Code::kInvalid,
                  "{} {}: pipeline.files: '{}' is a name that a device needs for itself; the "
                  "release has to call that file otherwise",
                  manifest.model, manifest.version.text(), name);
    }
  }
  return {};
}

ReleaseId release_id(const Manifest& manifest, std::string_view manifest_bytes) {
  return {manifest.model, manifest.version, trust::sha256(manifest_bytes)};
}

Result<std::uint64_t> Slots::copy_bytes(std::span<const BlobRef> blobs) {
  // A file of nothing is asked to have a second name.
  const std::string name = fmt::format("{}/probe", kSlots), second = name + ".second";
  TRY(storage_->make_folder(kSlots));
  TRY(storage_->remove(second));
  TRY(storage_->create(name));
  const Status linked = storage_->link(name, second);
  TRY(storage_->remove(second));
  TRY(storage_->remove(name));
  if (linked.ok()) return std::uint64_t(0);
  if (linked.error().code != Code::kUnsupported) return Error(linked.error());
  std::uint64_t sum = 0;
  for (const BlobRef& blob : blobs) sum += blob.bytes;
  return sum;
}

Status Slots::put(const StagedFile& file, const Alive& alive) {
  TRY_VALUE(const bool is_there, blobs_->has(file.blob));
  const std::string blob = BlobStore::name(file.blob.sha256);
  if (!is_there)
    return fail(Code::kNotFound, "{}: not whole on the device; {} needs it", blob, file.name);
  Status linked = storage_->link(blob, file.name);
  if (linked.ok() || linked.error().code != Code::kUnsupported) return linked;
  return copy_stored(*storage_, blob, file.name, alive);
}

Status Slots::stage(const std::string& unit, Slot slot, std::string_view manifest_bytes,
                    const Manifest& manifest, std::span<const Artifact* const> chosen,
                    const Alive& alive) {
  TRY(check_slot_names(manifest));
  TRY_VALUE(const std::string folder, folder_of(unit, slot));
  TRY(clear(unit, slot));
  std::set<std::string> folders = {folder};
  const auto files = files_of(folder, manifest, chosen);
  for (const StagedFile& file : files) folders.insert(storage_folder(file.name));
  for (const std::string& name : folders) TRY(storage_->make_folder(name));
  for (const StagedFile& file : files) TRY(put(file, alive));
  for (const Artifact* artifact : chosen) {
    if (artifact->kind == ArtifactKind::kRuntime)
      TRY(storage_->make_executable(name_of(folder, *artifact)));
  }
  for (const std::string& name : folders) TRY(storage_->sync(name));
  const ReleaseId release = release_id(manifest, manifest_bytes);
  TRY(replace_stored(*storage_, fmt::format("{}/{}", folder, kChosen),
                     chosen_bytes(release, manifest, chosen)));
  return replace_stored(*storage_, fmt::format("{}/{}", folder, kManifest), manifest_bytes);
}

Status Slots::clear(const std::string& unit, Slot slot) {
  TRY_VALUE(const std::string folder, folder_of(unit, slot));
  auto names = storage_->list(folder, kMaxSlotFiles);
  if (!names.ok() && names.error().code == Code::kNotFound) return {};
  if (!names.ok()) return std::move(names).error();
  if (std::find(names->begin(), names->end(), kManifest) != names->end()) {
    TRY(storage_->remove(fmt::format("{}/{}", folder, kManifest)));
    TRY(storage_->sync(folder));
  }
  for (const char* inner : {kModels, kGoldens})
    TRY(remove_files(*storage_, fmt::format("{}/{}", folder, inner)));
  return remove_files(*storage_, folder);
}

Result<StagedRelease> Slots::open(const std::string& unit, Slot slot, const ReleaseId& release) {
  StagedRelease staged;
  staged.release = release;
  TRY_VALUE(staged.folder, folder_of(unit, slot));
  const std::string name = fmt::format("{}/{}", staged.folder, kManifest);
  TRY_VALUE(const std::string bytes, read_stored(*storage_, name, trust::kMaxManifestBytes));
  if (trust::sha256(bytes) != release.manifest) {
    return fail(Code::kCorrupt, "{}: {} ({}) expected; its digest is {}", name, release.text(),
                trust::hex(release.manifest), trust::hex(trust::sha256(bytes)));
  }
  TRY_VALUE(staged.manifest, Manifest::parse(bytes, name));
  const std::string chosen_name = fmt::format("{}/{}", staged.folder, kChosen);
  const auto chosen_text = read_stored(*storage_, chosen_name, kMaxChosenBytes);
  if (!chosen_text.ok()) return as_corrupt(chosen_text.error());
  TRY_VALUE(const auto chosen, read_chosen(*chosen_text, chosen_name, release, staged.manifest));
  for (const Artifact* artifact : chosen)
    staged.models.push_back({*artifact, name_of(staged.folder, *artifact)});
  staged.files = files_of(staged.folder, staged.manifest, chosen);
  for (const StagedFile& file : staged.files) {
    auto opened = storage_->open(file.name);
    if (!opened.ok()) return as_corrupt(std::move(opened).error());
    TRY_VALUE(const std::uint64_t size, (*opened)->size());
    if (size != file.blob.bytes)
      return fail(Code::kCorrupt, "{}: {} bytes expected, {} found", file.name, file.blob.bytes,
                  size);
  }
  return staged;
}

Status Slots::verify(const std::string& unit, Slot slot, const ReleaseId& release,
                     const Alive& alive) {
  TRY_VALUE(const StagedRelease staged, open(unit, slot, release));
  for (const StagedFile& file : staged.files) {
    TRY_VALUE(const auto opened, storage_->open(file.name));
    Status checked = check_stored(*opened, file.blob, alive);
    if (!checked.ok()) return std::move(checked).error().at(file.name);
  }
  return {};
}

Result<ProgramFile> Slots::program(const std::string& unit, Slot slot, const ReleaseId& release,
                                   const Alive& alive) {
  TRY_VALUE(const StagedRelease staged, open(unit, slot, release));
  const auto at = std::ranges::find(staged.models, ArtifactKind::kRuntime,
                                    [](const StagedModel& model) { return model.artifact.kind; });
  if (at == staged.models.end()) return fail(Code::kCorrupt, "{}: holds no polderd", staged.folder);
  const auto file = std::ranges::find(staged.files, at->name, &StagedFile::name);
  POLDER_CHECK(file != staged.files.end());
  TRY_VALUE(ProgramFile program, ProgramFile::open(storage_->path(at->name)));
  const auto read = [&](std::uint64_t offset, std::span<char> out) {
    return program.read(offset, out);
  };
  Status checked = check_bytes(program.size(), read, file->blob, alive);
  if (!checked.ok()) return std::move(checked).error().at(at->name);
  return program;
}

Result<std::vector<std::string>> Slots::units() {
  auto names = storage_->list(kSlots, kMaxUnits * 4);
  std::vector<std::string> units;
  if (!names.ok() && names.error().code == Code::kNotFound) return units;
  if (!names.ok()) return std::move(names).error();
  for (std::string& name : *names) {
    if (!name.ends_with('/')) continue;
    name.pop_back();
    units.push_back(std::move(name));
  }
  return units;
}

}  // namespace polder::agent
