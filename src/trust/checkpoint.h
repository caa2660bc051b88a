// Checkpoints: a signed statement of how long a log was and what was in it
// (c2sp.org/tlog-checkpoint).
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trust/digest.h"
#include "trust/key.h"
#include "trust/note.h"

namespace polder::trust {

struct Checkpoint {
  std::string origin;  // names the log; also the name under which its key signs
  std::uint64_t size = 0;
  Sha256 root{};  // RFC 6962, of the first `size` entries

  // The text of the note. Extension lines of others are refused: nobody checks them.
  std::string text() const;
  static Result<Checkpoint> parse(std::string_view text, std::string_view where);
  bool operator==(const Checkpoint&) const = default;
};

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, Signer& signer);

// What one of `keys` signed. `note` is the whole signed note. Errors: kCorrupt; kDenied when none
// of them signed it.
Result<Checkpoint> open_checkpoint(std::string_view note, std::span<const PublicKey> keys,
                                   std::string_view where);

}  // namespace polder::trust
