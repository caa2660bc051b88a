// How long something lasts, for people.
#pragma once

#include <cstdint>
#include <string>

namespace polder {

// "40 s", "1 min 30 s", "8 h 20 min", "3 d": of an hour and more without seconds.
std::string duration_text(std::int64_t seconds);

}  // namespace polder
