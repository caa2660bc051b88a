// Tells people of roles of a repository that expire soon.
#pragma once

#include <cstdio>
#include <vector>

#include "trust/tuf_expiry.h"

namespace polder::cli {

void print_expiring(std::FILE* stream, const std::vector<trust::tuf::Expiring>& roles);

}  // namespace polder::cli
