// Whose a file or folder is.
#pragma once

#include <polder/error.h>

#include <string>

namespace polder {

struct Owner {
  std::string name;    // of the user; "#1000" where the machine knows none
  bool is_us = false;  // the effective user of this process
};

// Errors: kNotFound, kDenied, kIo.
Result<Owner> owner_of(const std::string& path);

}  // namespace polder
