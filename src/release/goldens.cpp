#include "release/goldens.h"

#include <algorithm>

#include "base/fail.h"
#include "kernel/table.h"
#include "measure/random_input.h"
#include "runtime/golden.h"
#include "runtime/tensor_file.h"
#include "sdk/open.h"

namespace polder::release {

namespace {

using trust::Artifact;
using trust::Golden;
using trust::ReleaseFolder;

TensorView view_of(const OwnedTensor& tensor) {
  return {const_cast<std::byte*>(tensor.data.view.data()), tensor.type, tensor.shape};
}

// Whether the golden holds on the session. Errors: why not.
Status hold(const ReleaseFolder& release, const Golden& golden, Session& session, double& largest) {
  TRY_VALUE(const auto inputs, read_tensors(release, golden.inputs));
  TRY_VALUE(const auto expected, read_tensors(release, golden.outputs));
  TRY_VALUE(const auto found, run_once(session, inputs));
  if (found.size() != expected.size()) {
    return fail(Code::kInvalid, "{} outputs expected, the model has {}", expected.size(),
                found.size());
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    double here = 0;
    Status status =
        check_close(found[i], view_of(expected[i]), golden.absolute, golden.relative, here);
    largest = std::max(largest, here);
    if (!status) return std::move(status).error().at("output '" + golden.outputs[i].name + "'");
  }
  return {};
}

Status try_on(const ReleaseFolder& release, const Artifact& artifact, const std::string& path,
              std::vector<GoldenResult>& results) {
  const auto theirs = [&](const Golden& golden) { return golden.artifact == artifact.name; };
  if (std::ranges::none_of(release.manifest.goldens, theirs)) return {};
  std::string why_not;
  TRY_VALUE(const auto session, open_to_try(artifact, path, why_not));
  for (const Golden& golden : release.manifest.goldens) {
    if (!theirs(golden)) continue;
    GoldenResult result{golden.name, artifact.name, artifact.target, {}, why_not};
    if (session) {
      Status status = hold(release, golden, *session, result.largest);
      result.outcome = status.ok() ? GoldenOutcome::kHeld : GoldenOutcome::kBroken;
      result.reason = status.ok() ? "" : status.error().message;
    } else {
      result.outcome = GoldenOutcome::kNotTried;
    }
    results.push_back(std::move(result));
  }
  return {};
}

}  // namespace

std::string why_not_here(const Artifact& artifact, const std::string& path, const Error& error) {
  const auto target = kernel::isa_from_name(artifact.target);
  if (target && !kernel::machine_runs(*target)) {
    return fmt::format("made for {}; try it there with 'polder release verify'", artifact.target);
  }
  std::string_view why = error.message;
  if (why.starts_with(path + ": ")) why.remove_prefix(path.size() + 2);
  return std::string(why);
}

std::string path_to_open(const ReleaseFolder& release, const Artifact& artifact,
                         const OpenFiles& open) {
  if (const auto found = open.find(artifact.blob); found != open.end()) return found->second;
  return artifact.sealed ? "" : release.blob_path(artifact.blob);
}

Result<std::unique_ptr<Session>> open_to_try(const Artifact& artifact, const std::string& path,
                                             std::string& why_not) {
  why_not = "sealed: only its recipients can run it";
  const std::string& backend = artifact.requirement.backend;
  if (!backend.empty() && backend != "native") {
    // Polder's own arithmetic would prove nothing of that backend's.
    why_not = backend + " is to run it; this program has its own runtime alone";
    return std::unique_ptr<Session>();
  }
  if (path.empty()) return std::unique_ptr<Session>();
  auto opened = open_session(path, {});
  if (opened) return opened;
  if (opened.error().code != Code::kIncompatible && opened.error().code != Code::kUnsupported)
    return opened;
  why_not = why_not_here(artifact, path, opened.error());
  return std::unique_ptr<Session>();
}

Result<std::vector<OwnedTensor>> read_tensors(const ReleaseFolder& release,
                                              std::span<const trust::GoldenTensor> tensors) {
  std::vector<OwnedTensor> read;
  for (const trust::GoldenTensor& tensor : tensors) {
    TRY_VALUE(OwnedTensor file, read_npy(release.blob_path(tensor.blob)));
    read.push_back(std::move(file));
  }
  return read;
}

Result<std::vector<GoldenResult>> try_goldens(const ReleaseFolder& release, const OpenFiles& open) {
  std::vector<GoldenResult> results;
  for (const Artifact& artifact : release.manifest.artifacts) {
    if (artifact.kind == trust::ArtifactKind::kRuntime) continue;
    TRY(try_on(release, artifact, path_to_open(release, artifact, open), results));
  }
  return results;
}

Result<std::vector<OwnedTensor>> random_inputs(std::span<const Port> ports, std::uint64_t seed) {
  constexpr std::int64_t kMaxElements = std::int64_t(1) << 26;
  std::vector<OwnedTensor> tensors;
  for (const Port& port : ports) {
    if (port.bounds.elements() > kMaxElements) {
      return fail(Code::kExhausted, "input '{}' may grow to {}: give 'inputs' in place of 'seed'",
                  port.name, port.bounds.text());
    }
    TensorView view{nullptr, port.type, port.bounds};
    std::span<std::byte> bytes;
    OwnedTensor tensor{port.type, port.bounds, Bytes::allocate(view.bytes(), &bytes)};
    if (!tensor.data) return fail(Code::kExhausted, "no memory for input '{}'", port.name);
    view.data = bytes.data();
    fill_random(view, seed + tensors.size());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<std::vector<TensorView>> run_once(Session& session, std::span<const OwnedTensor> inputs) {
  std::vector<TensorView> views;
  for (const OwnedTensor& input : inputs) views.push_back(view_of(input));
  TRY(session.run(views));
  std::vector<TensorView> outputs;
  for (std::size_t i = 0; i < session.outputs().size(); ++i) {
    outputs.push_back(session.output(int(i)));
  }
  return outputs;
}

}  // namespace polder::release
