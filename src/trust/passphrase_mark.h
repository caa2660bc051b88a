// What tells whether a passphrase is one that was seen before, and does not tell which that was.
//
//   TRY_VALUE(const std::string mark, passphrase_mark(pin.view()));
//   if (fits_mark(pin.view(), mark)) ...it is the same
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

namespace polder::trust {

// Text: a salt and what scrypt makes of both, which takes 16 MB and a moment. Errors: kUnavailable.
Result<std::string> passphrase_mark(std::string_view passphrase);
// As slow. Nothing fits what is no mark.
bool fits_mark(std::string_view passphrase, std::string_view mark);

}  // namespace polder::trust
