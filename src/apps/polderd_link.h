// The link to the hub, put together for this machine.
#pragma once

#include <polder/error.h>

#include <functional>
#include <memory>

#include "agent/hub_link.h"
#include "apps/polderd_home.h"

namespace polder::agent {

using OpenKey = std::function<Result<std::unique_ptr<trust::Signer>>()>;

// Nothing where the configuration has no hub. A key that is to be a file in the folder and is not
// there is made. Borrows the home and both clocks.
std::unique_ptr<HubLink> make_link(const Home& home, Clock& clock, const WallClock& wall,
                                   std::function<std::uint64_t()> random,
                                   std::function<void(const Occurrence&)> happened,
                                   OpenKey open_key);

}  // namespace polder::agent
