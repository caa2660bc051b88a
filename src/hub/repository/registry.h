// The registry of models: rows of releases, which come from signed manifests, and aliases that
// people give versions. As parts of a Work; errors of all: those of tell().
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "hub/repository/online_repository.h"
#include "hub/store/ask.h"

namespace polder::hub {

// Which two people have to want.
inline constexpr std::string_view kChampion = "champion";

struct ReleaseNote {
  std::string publication, by;  // who added it, or whoever approved it
  std::int64_t now_s = 0;
};

// One that waits for approval. Errors: kDenied where the version is known as another.
Status note_waiting(Database& database, const Proposal& proposal, const ReleaseNote& note);
// One that devices can fetch; its manifest is the published one.
Status note_published(Database& database, const std::string& target, const std::string& manifest,
                      const ReleaseNote& note);
// Errors: kIncompatible where devices are to run it, or of a rollout that is not over go back to
// it.
Status may_withdraw(Database& database, const std::string& target);
// One that is listed no longer.
Status note_withdrawn(Database& database, const std::string& target);
// Of a publication that was rejected.
Status forget_waiting(Database& database, const std::string& publication);

// Errors: kNotFound where no such version is published.
Status set_alias(Database& database, const std::string& model, const std::string& alias,
                 const std::string& version, const std::string& actor, std::int64_t now_s);

}  // namespace polder::hub
