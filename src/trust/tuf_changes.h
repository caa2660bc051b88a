// How what is staged in a repository differs from what is published: what a signature is for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trust/json.h"

namespace polder::trust::tuf {

// One staged file beside the one before.
struct StagedVersion {
  std::string role;
  std::int64_t version_before = 0, version = 0;      // 0: there was none
  std::int64_t expires_before_s = 0, expires_s = 0;  // seconds since 1970
};

// Who signs for a role, of root or of a delegation. Hash bins go with their role, whose keys they
// have; one that has others stands for itself.
struct TrustChange {
  std::string role;
  std::vector<std::string> added_keys, removed_keys;  // ids
  int threshold_before = 0, threshold = 0;            // 0: nobody was, or is, trusted
  // Of a delegation: patterns, and "SHA-256 ab..." for targets of such digests of their paths.
  std::vector<std::string> paths_before, paths;
};

struct TargetChange {
  std::string role;  // the one whose bins it may be in
  std::string path;
  std::string before, after;  // SHA-256; empty: not listed
  std::string problem;        // with its file in the repository; empty: it is what is listed
  bool is_refused = false;    // the problem: the file is here and whole, and devices refuse it
};

// The lowest version of a model that devices install.
struct FloorChange {
  std::string model, before, after;  // empty: none
};

struct Changes {
  std::vector<StagedVersion> files;
  std::vector<TrustChange> trust;
  std::vector<TargetChange> targets;
  std::vector<FloorChange> floors;  // of floors.json, where its files are here
  // What else devices would see, a line each: the order in which roles are asked, whether others
  // are asked after one, keys under the ids of others, consistent snapshots that end or begin.
  std::vector<std::string> other;
};

// For programs.
Json to_json(const Changes& changes);

}  // namespace polder::trust::tuf
