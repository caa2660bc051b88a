// Tokens of people, as the API and the program make them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "hub/api/identity.h"

namespace polder::hub {

struct NewPerson {
  std::string name;
  Role role = Role::kViewer;
  std::optional<std::int64_t> valid_s;  // nothing: until it is revoked
  std::string created_by;
};
struct PersonToken {
  std::string id;
  std::string text;  // shown once
};
// As a part of a Work. Errors: those of tell().
Result<PersonToken> add_person_token(Database& database, const NewPerson& person,
                                     std::int64_t now_s);

}  // namespace polder::hub
