// What one person asks for and another decides: publications, and aliases that matter.
#pragma once

#include <polder/error.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"
#include "trust/json.h"

namespace polder::hub {

inline constexpr std::int64_t kMaxOpenApprovals = 100;

// `roles`: the SHA-256 of the file of each ("targets"), which has come. Asked for again while it
// waits, it is the same one. Returns its id. Errors: those of OnlineRepository::propose();
// kIncompatible where too many wait.
Result<std::string> ask_for_publication(const Hub& hub, std::string_view actor,
                                        const std::map<std::string, std::string>& roles);
Result<std::string> ask_for_alias(const Hub& hub, std::string_view actor, const std::string& model,
                                  const std::string& alias, const std::string& version);

// Of publications that wait, by id: those that change the same role in another way, so that only
// one of them can be published. Errors: those of the database.
Result<std::map<std::string, std::vector<std::string>>> rivals(const Hub& hub);

// Errors: kNotFound; kDenied to who asked; kIncompatible when it was decided; of a publication
// those of OnlineRepository::check(), and it goes on waiting.
Status approve(const Hub& hub, const std::string& id, const std::string& actor);
// Nothing of it is left; who asked takes it back by that. `reason`: may be empty. Errors:
// kNotFound; kIncompatible when it was decided.
Status reject(const Hub& hub, const std::string& id, const std::string& actor,
              const std::string& reason);

}  // namespace polder::hub
