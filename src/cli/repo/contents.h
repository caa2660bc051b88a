// What a repository has for devices: releases, floors, and who is to run what. Inside this room.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trust/assignment.h"
#include "trust/floors.h"
#include "trust/json.h"
#include "trust/tuf_repository.h"

namespace polder::cli {

struct Contents {
  std::map<std::string, std::vector<trust::Version>> releases;  // by model, lowest first
  trust::Floors floors;
  std::vector<trust::Assignment> assignments;

  // Staged and published. `targets`: of Repository::targets(). A file that cannot be read, as on a
  // stick without the files of targets, is named in `unread` and no error.
  static Result<Contents> of(const trust::tuf::Repository& repository,
                             const std::map<std::string, std::string>& targets);
  std::vector<std::string> unread;
  std::size_t at_hub = 0;  // assignments, which a hub makes and 'polder hub pull' does not fetch

  trust::Json releases_json() const;     // {"people": ["1.0.0", "1.1.0"]}
  trust::Json floors_json() const;       // {"people": "1.0.0"}
  trust::Json assignments_json() const;  // as their files
  // Lines; of many assignments only the first.
  std::string text() const;
};

}  // namespace polder::cli
