// What to_json() has made of changes, read by another program: of a publication at a hub.
#pragma once

#include <polder/error.h>

#include <string_view>

#include "trust/tuf_changes.h"

namespace polder::trust::tuf {

// `where` names the document in errors. Ids of keys and digests are hexadecimal and floors
// versions: of a program that others may have taken over the rest is any text. Errors: kCorrupt,
// saying where what was expected.
Result<Changes> parse_changes(const Json& json, std::string_view where);

}  // namespace polder::trust::tuf
