// The goldens of a release: recorded from its models, and tried again on them.
#pragma once

#include <polder/error.h>
#include <polder/model.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "import/options.h"
#include "runtime/session.h"
#include "trust/release_folder.h"

namespace polder::release {

enum class GoldenOutcome : std::uint8_t { kHeld, kBroken, kNotTried };

// One golden on one artifact.
struct GoldenResult {
  std::string golden, artifact, target;
  GoldenOutcome outcome = GoldenOutcome::kNotTried;
  std::string reason;  // unless it held
  double largest = 0;  // difference of finite elements, of all outputs
};

// Why an artifact whose file is at `path` does not run here, as people understand it elsewhere: the
// path, which may be of a folder in the making, is left out.
std::string why_not_here(const trust::Artifact& artifact, const std::string& path,
                         const Error& error);

// Files to open in place of blobs: what is sealed, open.
using OpenFiles = std::map<trust::Sha256, std::string>;

// Where its file can be opened; empty: it is sealed and not at hand.
std::string path_to_open(const trust::ReleaseFolder& release, const trust::Artifact& artifact,
                         const OpenFiles& open);
// The model, where this machine can run it; otherwise nothing, and `why_not`. Errors: kIo,
// kExhausted, kCorrupt.
Result<std::unique_ptr<Session>> open_to_try(const trust::Artifact& artifact,
                                             const std::string& path, std::string& why_not);
Result<std::vector<OwnedTensor>> read_tensors(const trust::ReleaseFolder& release,
                                              std::span<const trust::GoldenTensor> tensors);

// Every golden on every artifact of its name that this machine can run; of the others why not.
// Errors: kIo, kExhausted; that one does not hold is none.
Result<std::vector<GoldenResult>> try_goldens(const trust::ReleaseFolder& release,
                                              const OpenFiles& open = {});

// Random inputs for the ports, the same everywhere; free dimensions at their bounds. Errors:
// kExhausted for ports without bounds to speak of.
Result<std::vector<OwnedTensor>> random_inputs(std::span<const Port> ports, std::uint64_t seed);

// Runs once. Views of the session's outputs, valid until its next run. Errors: the session's.
Result<std::vector<TensorView>> run_once(Session& session, std::span<const OwnedTensor> inputs);

}  // namespace polder::release
