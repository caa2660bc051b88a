#include "release/create.h"

#include <algorithm>
#include <memory>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "release/blob_writer.h"
#include "release/plan_facts.h"
#include "release/sbom.h"
#include "runtime/tensor_file.h"
#include "sdk/open.h"
#include "trust/file_digest.h"
#include "trust/release_folder.h"
#include "trust/reseal.h"
#include "trust/sealed_file.h"

namespace polder::release {

namespace {

using trust::Artifact;
using trust::ArtifactKind;
using trust::Manifest;
using trust::Sha256;

// What a file of a model is by its first bytes; `said` where they do not tell.
Result<ArtifactKind> kind_by_content(const std::string& path, std::optional<ArtifactKind> said) {
  TRY_VALUE(const auto file, open_readable(path));
  std::string head(std::min<std::uint64_t>(8, file->size()), '\0');
  TRY(file->read(0, head));
  const std::string_view view = head;
  if (view.starts_with("POLDPLAN")) return ArtifactKind::kPlan;
  if (view.size() == 8 && view.substr(4) == "TFL3") return ArtifactKind::kTflite;
  if (view.starts_with("\x7f"
                       "ELF"))
    return ArtifactKind::kRuntime;
  // Which begins with a number of its version, and has no mark that tells it for sure.
  if (view.starts_with("\x08") || path.ends_with(".onnx")) return ArtifactKind::kOnnx;
  if (said && *said != ArtifactKind::kPlan) return *said;
  return fail(Code::kInvalid,
              "{}: no model: a plan of 'polder compile', an .onnx, a .tflite or a program for "
              "devices expected",
              path);
}

// What runs a model that is no plan, on devices that have it.
constexpr std::string_view kForeignBackends[] = {"litert"};

Status check_backend(const std::string& backend, const std::string& path, ArtifactKind kind) {
  if (std::ranges::find(kForeignBackends, backend) != std::end(kForeignBackends)) return {};
  return fail(Code::kInvalid,
              "{}: Polder runs it as a plan: 'polder compile {} --target generic --output "
              "MODEL.plan', and file = \"MODEL.plan\"; for devices with another runtime say which: "
              "backend = \"{}\"",
              backend.empty()
                  ? fmt::format("'backend' is missing for this {}", artifact_kind_name(kind))
                  : fmt::format("no backend '{}' for {} is known", clipped(backend),
                                artifact_kind_name(kind)),
              one_line(path), fmt::join(kForeignBackends, "\" or \""));
}

class Maker {
 public:
  Maker(const Description& description, const CreateOptions& options, const std::string& folder)
      : description_(description), options_(options), folder_(folder), blobs_(folder, manifest_) {}

  // Fills the folder.
  Result<CreatedRelease> make() {
    manifest_.model = description_.model;
    manifest_.version = description_.version;
    manifest_.licence = description_.licence;
    manifest_.created_s = options_.created_s;
    manifest_.limits = description_.limits;
    manifest_.baselines = description_.baselines;
    manifest_.card = description_.card;
    for (const ArtifactFile& artifact : description_.artifacts) TRY(add_artifact(artifact));
    TRY(add_pipeline());
    TRY(add_lineage());
    for (const GoldenFiles& golden : description_.goldens) TRY(add_golden(golden));
    TRY_VALUE(const ModelPorts ports, ports_of_first());
    TRY_VALUE(manifest_.sbom, blobs_.put_bytes(sbom_bytes(manifest_, ports)));
    if (Status status = manifest_.validate(); !status) {
      return std::move(status).error().at(description_.file);
    }
    const std::string bytes = manifest_.bytes();
    if (bytes.size() > trust::kMaxManifestBytes) {
      return fail(Code::kExhausted, "the manifest has {} bytes; {} at most", bytes.size(),
                  trust::kMaxManifestBytes);
    }
    TRY(write_file_atomic(folder_ + "/manifest.json", bytes));
    return check();
  }

 private:
  std::string path_of(const std::string& path) const {
    return path.starts_with('/') ? path : description_.folder + path;
  }

  Status add_artifact(const ArtifactFile& given) {
    Status status = add_artifact_file(given);
    if (!status) return std::move(status).error().at(given.place);
    return {};
  }

  Status add_artifact_file(const ArtifactFile& given) {
    const std::string path = path_of(given.path);
    Artifact artifact;
    artifact.name = given.name;
    artifact.limits = given.limits;
    TRY_VALUE(const ArtifactKind found, kind_by_content(path, given.kind));
    artifact.kind = given.kind.value_or(found);
    if ((artifact.kind == ArtifactKind::kPlan) != (found == ArtifactKind::kPlan)) {
      return fail(Code::kInvalid, "{}: a {} by its first bytes, not a {}", path,
                  artifact_kind_name(found), artifact_kind_name(artifact.kind));
    }
    std::vector<std::uint64_t> cuts;
    if (given.sealed.empty()) {
      TRY_VALUE(artifact.blob, blobs_.put_file(path, trust::kMaxBlobBytes));
      open_paths_.push_back(blobs_.path_of(artifact.blob));
    } else {
      TRY(put_sealed(given, path, artifact));
    }
    TRY(read_requirement(given, path, artifact, cuts));
    TRY(blobs_.put_index(artifact.blob, cuts, artifact.sealed.has_value()));
    manifest_.artifacts.push_back(std::move(artifact));
    return {};
  }

  // The sealed file is what goes into the release; `path` is what is inside.
  Status put_sealed(const ArtifactFile& given, const std::string& path, Artifact& artifact) {
    const std::string sealed_path = path_of(given.sealed);
    TRY_VALUE(const auto file, open_readable(sealed_path));
    TRY_VALUE(const trust::SealedHeader header, trust::read_sealed_header(*file));
    TRY_VALUE(const trust::FileDigest inside, trust::digest_file(path, trust::kMaxBlobBytes));
    if (header.plaintext_bytes != inside.bytes) {
      return fail(Code::kInvalid, "{}: sealed from {} bytes, but {} has {}", sealed_path,
                  header.plaintext_bytes, path, inside.bytes);
    }
    artifact.sealed = {header.file_id, inside.sha256, std::int64_t(inside.bytes), {}};
    TRY(put_sealed_keys(sealed_path, header.file_id));
    if (artifact.sealed->bytes > kUnindexedBytes) {
      auto index = blobs_.put_file(trust::sealed_index_path(sealed_path),
                                   std::int64_t(trust::kMaxChunkIndexBytes));
      if (!index)
        return fail(index.error().code, "{}; 'polder seal' makes it with the sealed file",
                    index.error().message);
      artifact.sealed->chunks = *index;
    }
    TRY_VALUE(artifact.blob, blobs_.put_file(sealed_path, trust::kMaxBlobBytes));
    open_files_[artifact.blob] = path;
    open_paths_.push_back(path);
    return {};
  }

  Status put_sealed_keys(const std::string& sealed_path, const Sha256& file_id) {
    const std::string path = trust::sealed_keys_path(sealed_path);
    TRY_VALUE(std::string bytes, read_file(path, trust::SealedKeys::kMaxBytes));
    TRY_VALUE(const trust::SealedKeys keys, trust::SealedKeys::parse(bytes, path));
    if (keys.file_id() != file_id)
      return fail(Code::kInvalid, "{}: not the keys of {}", path, sealed_path);
    TRY(make_folders(folder_ + "/sealed"));
    return write_file_atomic(folder_ + "/" + trust::sealed_keys_place(file_id), bytes);
  }

  Status read_requirement(const ArtifactFile& given, const std::string& path, Artifact& artifact,
                          std::vector<std::uint64_t>& cuts) {
    artifact.target = given.target;
    if (artifact.kind == ArtifactKind::kRuntime) {
      if (given.target.empty() || given.target == "generic") {
        return fail(Code::kInvalid,
                    "'target' must say which machines can run this program: x86-64-v3, x86-64-v4 "
                    "or arm64");
      }
      return {};
    }
    if (artifact.kind != ArtifactKind::kPlan) {
      if (given.target.empty()) artifact.target = "generic";
      artifact.requirement.backend = given.backend;
      return check_backend(given.backend, path, artifact.kind);
    }
    TRY_VALUE(PlanFacts facts, plan_facts(open_paths_.back(), path));
    // Whether this build could run it on such a machine.
    if (auto looked = look_into(open_paths_.back(), {}); !looked) return std::move(looked).error();
    if (!given.target.empty() && given.target != facts.target) {
      return fail(Code::kInvalid, "{}: compiled for {}, not for {}", path, facts.target,
                  clipped(given.target));
    }
    artifact.target = facts.target;
    artifact.requirement = std::move(facts.requirement);
    cuts = std::move(facts.cuts);
    return {};
  }

  Status add_pipeline() {
    if (description_.pipeline.empty()) return {};
    const std::string path = path_of(description_.pipeline);
    TRY_VALUE(const Sha256 blob, blobs_.put_file(path, trust::kMaxPipelineBytes));
    const auto open = [this](const Artifact& artifact) -> Result<std::unique_ptr<Executor>> {
      TRY_VALUE(auto model,
                look_into(open_paths_[std::size_t(&artifact - manifest_.artifacts.data())], {}));
      return std::unique_ptr<Executor>(std::move(model));
    };
    TRY_VALUE(const auto sources, check_pipeline(blobs_.path_of(blob), path, manifest_, open));
    manifest_.pipeline = trust::Pipeline{blob, {}};
    for (const std::string& file : description_.pipeline_files) {
      const std::string name = file.substr(file.rfind('/') + 1);
      TRY_VALUE(const Sha256 digest, blobs_.put_file(path_of(file), trust::kMaxBlobBytes));
      if (!manifest_.pipeline->files.emplace(name, digest).second) {
        return fail(Code::kInvalid, "[pipeline]: two files are called '{}'", clipped(name));
      }
    }
    for (const auto& [setting, file] : sources) {
      if (!manifest_.pipeline->files.contains(file)) unset_.push_back(setting);
    }
    return {};
  }

  Status add_lineage() {
    trust::Lineage& lineage = manifest_.lineage;
    for (const ParentFile& given : description_.parents) {
      trust::Parent parent = given.parent;
      if (!given.manifest.empty()) {
        const std::string path = path_of(given.manifest);
        TRY_VALUE(const std::string bytes, read_file(path, trust::kMaxManifestBytes));
        TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, path));
        parent = {manifest.model, manifest.version, trust::sha256(bytes)};
      }
      lineage.parents.push_back(std::move(parent));
    }
    for (const DatasetFile& given : description_.datasets) {
      trust::Dataset dataset = given.dataset;
      if (!given.path.empty()) {
        TRY_VALUE(const auto file, trust::digest_file(path_of(given.path), UINT64_MAX));
        dataset.sha256 = file.sha256;
      }
      lineage.datasets.push_back(std::move(dataset));
    }
    if (description_.recipe.empty()) return {};
    TRY_VALUE(const auto recipe, trust::digest_file(path_of(description_.recipe), UINT64_MAX));
    lineage.recipe = recipe.sha256;
    return {};
  }

  Status add_golden(const GoldenFiles& given) {
    Status status = add_golden_files(given);
    if (!status) return std::move(status).error().at(given.place);
    return {};
  }

  Status add_golden_files(const GoldenFiles& given) {
    TRY_VALUE(Session* const session, session_of(given.artifact));
    trust::Golden golden{given.name, given.artifact, {}, {}, given.absolute, given.relative};
    std::vector<OwnedTensor> inputs;
    if (given.seed) {
      TRY_VALUE(inputs, random_inputs(session->inputs(), std::uint64_t(*given.seed)));
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const TensorView view{const_cast<std::byte*>(inputs[i].data.view.data()), inputs[i].type,
                              inputs[i].shape};
        TRY(put_tensor(session->inputs()[i].name, view, golden.inputs));
      }
    } else {
      TRY(put_tensors(given.inputs, session->inputs(), "input", golden.inputs));
      for (const trust::GoldenTensor& input : golden.inputs) {
        TRY_VALUE(OwnedTensor tensor, read_npy(blobs_.path_of(input.blob)));
        inputs.push_back(std::move(tensor));
      }
    }
    if (!given.outputs.empty()) {
      TRY(put_tensors(given.outputs, session->outputs(), "output", golden.outputs));
    } else {
      TRY(record(*session, inputs, golden));
    }
    manifest_.goldens.push_back(std::move(golden));
    return {};
  }

  Status record(Session& session, std::span<const OwnedTensor> inputs, trust::Golden& golden) {
    if (!options_.make_goldens) {
      return fail(Code::kInvalid,
                  "'outputs' are missing; --make-goldens records what the model makes of the "
                  "inputs");
    }
    TRY_VALUE(const auto outputs, run_once(session, inputs));
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      TRY(put_tensor(session.outputs()[i].name, outputs[i], golden.outputs));
    }
    return {};
  }

  Status put_tensor(const std::string& name, const TensorView& tensor,
                    std::vector<trust::GoldenTensor>& into) {
    TRY_VALUE(const std::string bytes, npy_bytes(tensor, "'" + clipped(name) + "'"));
    TRY_VALUE(const Sha256 blob, blobs_.put_bytes(bytes));
    into.push_back({name, blob});
    return {};
  }

  Status put_tensors(const std::vector<std::string>& files, std::span<const Port> ports,
                     std::string_view what, std::vector<trust::GoldenTensor>& into) {
    if (files.size() != ports.size()) {
      return fail(Code::kInvalid, "{} {} file(s) for a model with {}", files.size(), what,
                  ports.size());
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      TRY_VALUE(const Sha256 blob, blobs_.put_file(path_of(files[i]), trust::kMaxGoldenBytes));
      // Wrong files show here, under their own names.
      if (auto tensor = read_npy(path_of(files[i])); !tensor) return std::move(tensor).error();
      into.push_back({ports[i].name, blob});
    }
    return {};
  }

  // The first artifact of that name that runs here; else the first of all, to look at.
  Result<Session*> session_of(const std::string& name) {
    if (const auto found = sessions_.find(name); found != sessions_.end()) {
      return found->second.get();
    }
    std::string why;
    for (std::size_t i = 0; i < manifest_.artifacts.size(); ++i) {
      const Artifact& artifact = manifest_.artifacts[i];
      if (artifact.name != name || artifact.kind == ArtifactKind::kRuntime) continue;
      auto opened = open_session(open_paths_[i], {});
      if (!opened) {
        why = why_not_here(artifact, open_paths_[i], opened.error());
        continue;
      }
      return (sessions_[name] = *std::move(opened)).get();
    }
    if (why.empty()) return fail(Code::kInvalid, "there is no model '{}'", clipped(name));
    return fail(Code::kUnsupported, "no artifact '{}' runs here: {}", name, why);
  }

  // For the card: those of the first model, where it can be opened.
  Result<ModelPorts> ports_of_first() {
    const auto text_of = [](std::span<const Port> ports) {
      std::vector<PortText> texts;
      for (const Port& port : ports) {
        texts.push_back(
            {port.name, fmt::format("{} {}", type_name(port.type), port.extents_text())});
      }
      return texts;
    };
    for (std::size_t i = 0; i < manifest_.artifacts.size(); ++i) {
      if (manifest_.artifacts[i].kind == ArtifactKind::kRuntime) continue;
      const auto session = look_into(open_paths_[i], {});
      if (session) return ModelPorts{text_of((*session)->inputs()), text_of((*session)->outputs())};
    }
    return ModelPorts{};
  }

  // What was written, as whoever gets it reads it.
  Result<CreatedRelease> check() {
    CreatedRelease created;
    TRY_VALUE(created.release, trust::open_release(folder_));
    created.unset = unset_;
    TRY_VALUE(created.goldens, try_goldens(created.release, open_files_));
    for (const GoldenResult& result : created.goldens) {
      if (result.outcome != GoldenOutcome::kBroken) continue;
      return fail(Code::kCorrupt, "golden '{}' does not hold on artifact '{}' for {}: {}",
                  result.golden, result.artifact, result.target, result.reason);
    }
    TRY_VALUE(created.limits, try_limits(created.release, open_files_));
    for (const LimitsResult& result : created.limits) {
      if (!options_.check_limits || !result.is_missed()) continue;
      return fail(
          Code::kIncompatible,
          "{}: limits of '{}' for {}: {}; a device like this machine would refuse the "
          "release: change [limits], or give --no-limits-check where devices have more than "
          "this machine",
          description_.file, result.artifact, result.target, result.reason);
    }
    return created;
  }

  const Description& description_;
  const CreateOptions& options_;
  const std::string folder_;
  Manifest manifest_;
  BlobWriter blobs_;
  std::vector<std::string> open_paths_;  // by artifact: what can be opened, also when it is sealed
  OpenFiles open_files_;
  std::vector<std::string> unset_;  // CreatedRelease::unset
  std::map<std::string, std::unique_ptr<Session>, std::less<>> sessions_;
};

}  // namespace

Result<CreatedRelease> create_release(const Description& description, const std::string& folder,
                                      const CreateOptions& options) {
  TRY_VALUE(NewFolder made, NewFolder::create(folder));
  Maker maker(description, options, made.path());
  TRY_VALUE(CreatedRelease created, maker.make());
  TRY(made.commit());
  created.release.folder = folder;
  return created;
}

}  // namespace polder::release
