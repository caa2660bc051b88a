// Whether a file is another one than before, without reading it.
#pragma once

#include <polder/error.h>

#include <string>

namespace polder {

// Its inode, size and time of change, as text: what is written or put there later has another one.
// Errors: kNotFound, kDenied, kIo.
Result<std::string> file_stamp(const std::string& path);

}  // namespace polder
