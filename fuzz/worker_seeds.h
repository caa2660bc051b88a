// Seeds of the fuzz targets worker_message, the messages of a shadow run, and output_message.
#pragma once

#include <string>

namespace polder::fuzz {

// How many they wrote.
int write_worker_seeds(const std::string& folder);
int write_output_seeds(const std::string& folder);

}  // namespace polder::fuzz
