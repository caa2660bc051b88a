// What the commands on release folders share: releases and goldens, for people and as JSON.
#pragma once

#include <span>

#include "release/goldens.h"
#include "release/limits.h"
#include "trust/json.h"
#include "trust/release_folder.h"

namespace polder::cli {

trust::Json::Members release_json(const trust::ReleaseFolder& release);
void print_release(const trust::ReleaseFolder& release);

trust::Json goldens_json(std::span<const release::GoldenResult> goldens);
void print_goldens(std::span<const release::GoldenResult> goldens);
trust::Json limits_json(std::span<const release::LimitsResult> limits);
void print_limits(std::span<const release::LimitsResult> limits);
// Whether none of them is broken.
bool all_hold(std::span<const release::GoldenResult> goldens);

}  // namespace polder::cli
