// Holds the folder of what a worker keeps to its bounds from outside: the worker keeps them itself
// (agent/kept_output.h), unless it has been taken over.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

namespace polder::agent {

// Errors: kExhausted with more than half again the cap, or more files than a worker keeps.
Status check_output(const std::string& folder, std::uint64_t cap_bytes);

// Removes what no worker keeps, then the oldest files, until the folder is within the cap. While
// nobody writes to it. Errors: kIo.
Status trim_output(const std::string& folder, std::uint64_t cap_bytes);

}  // namespace polder::agent
