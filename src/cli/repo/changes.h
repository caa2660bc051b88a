// What the commands on repositories tell of what is staged against what is published, so that
// nobody signs blindly.
#pragma once

#include <cstdio>

#include "cli/repo/key_names.h"
#include "trust/tuf_changes.h"

namespace polder::cli {

// The roles that change, and nothing of what is in them.
void print_versions(std::FILE* stream, const trust::tuf::Changes& changes);
void print_changes(std::FILE* stream, const trust::tuf::Changes& changes, const KeyNames& names);

}  // namespace polder::cli
