// The files that a command writes beside its result.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "cli/args.h"

namespace polder::cli {

// Whether a command may write `output`, before it does anything. kInvalid when it is a file that
// the command reads, by whatever name, for it would be replaced: one that it was given (but as
// `option`), or that is read beside one. kDenied when it holds a private key or an audit log, which
// no output replaces.
Status check_output(const std::string& output, const Args& args, std::string_view option);
// The same of what an option names, where it is given.
Status check_output(const Args& args, std::string_view option);

// Writes to what the option names, all or nothing, and says so on stderr.
Status write_output(const Args& args, std::string_view option, std::string_view text);

}  // namespace polder::cli
