// When the metadata that a device trusts expire: from then on it updates nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/storage.h"

namespace polder::agent {

struct Expiry {
  std::string role;  // "root", "timestamp"
  std::int64_t expires_s = 0;
  std::int64_t life_s = 0;  // for which it was made, where it says so
  bool operator==(const Expiry&) const = default;
};

// Of the metadata that were trusted last, as they are kept (StoredMetadata), the first to expire
// first. What cannot be read is left out: whoever asks the repository is told of it.
std::vector<Expiry> trusted_expiries(Storage& storage);

// Those of which people should hear now, for they are to expire soon: 30 days before for what
// people sign. Timestamp and snapshot, which an online key renews by itself or a releaser by hand,
// a seventh of the time for which they were made before, at least two hours and a day, at most 30
// days. Not those that have expired: whoever asks the repository is told of them.
std::vector<Expiry> soon(const std::vector<Expiry>& all, std::int64_t now_s);

// "targets.json expires at 2027-01-01T00:00:00Z (in 12 days)".
std::string expiry_text(const Expiry& expiry, std::int64_t now_s);
// Who renews it, and how.
std::string renewal(const Expiry& expiry);

}  // namespace polder::agent
