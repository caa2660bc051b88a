// What status and doctor say in the same words.
#pragma once

#include <optional>
#include <string>

#include "agent/config.h"
#include "agent/state.h"
#include "agent/status.h"

namespace polder::agent {

inline constexpr char kTriedAgain[] = " (with other settings than now: it is tried again)";
inline constexpr char kConfigChanged[] = "polderd.toml has changed since polderd read it";
inline constexpr char kLostAdvice[] =
    "it is installed again where the repository still has it, at the next check or by 'polderd "
    "check --install'";
inline constexpr char kReload[] = "systemctl reload polderd";

// "unknown" where nobody said.
std::string health_of(const std::string& unit, const std::optional<Live>& live);
// Since it failed this device's settings have changed.
bool is_tried_again(const Config& config, const BadRelease& bad);
std::string failed_text(const Attempts& item);

}  // namespace polder::agent
