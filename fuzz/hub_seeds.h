// Seeds of the fuzz target hub_request.
#pragma once

#include <string>

namespace polder::fuzz {

// A request for each route of the hub's API, which is done by a hub of hub_world.h, and some more.
// How many it wrote; 0, saying why on stderr, where a route has none or one was refused.
int write_hub_seeds(const std::string& folder);
// A dictionary for libFuzzer: names, values and addresses of openapi.json. How many words it wrote.
int write_hub_words(const std::string& path);

}  // namespace polder::fuzz
