// The files that a command writes beside its result.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

namespace polder::cli {

// Writes it, all or nothing, and says so on stderr.
Status write_output(const std::string& path, std::string_view text);

}  // namespace polder::cli
