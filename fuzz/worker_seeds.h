// Seeds of the fuzz target worker_message: the messages of a shadow run.
#pragma once

#include <string>

namespace polder::fuzz {

// How many it wrote.
int write_worker_seeds(const std::string& folder);

}  // namespace polder::fuzz
