// A run's statistics as JSON.
#pragma once

#include <string>

#include "pipeline/stats.h"

namespace polder::pipeline {

// An object on one line; latencies in milliseconds.
std::string stats_json(const RunStats& stats);

}  // namespace polder::pipeline
