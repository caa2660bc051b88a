// The files that a command writes beside its result.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

namespace polder::cli {

// kInvalid when `output` is the very file that the command reads, by whatever name: it would be
// replaced.
Status check_output(const std::string& output, const std::string& input);

// Writes it, all or nothing, and says so on stderr; never over `input`.
Status write_output(const std::string& path, std::string_view text, const std::string& input);

}  // namespace polder::cli
