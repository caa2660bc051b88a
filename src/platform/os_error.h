// A failed call of the operating system as an Error. Inside this room.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

namespace polder {

// "`path`: cannot `action`: ..." for the value that errno had.
Error os_error(const std::string& path, std::string_view action, int number);

}  // namespace polder
