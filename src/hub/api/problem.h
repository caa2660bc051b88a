// What went wrong, as RFC 9457 has it:
//   {"code":"denied","detail":"...","request_id":"...","status":403,"title":"Forbidden",
//    "type":"about:blank"}
#pragma once

#include <polder/error.h>

#include <string_view>

#include "hub/api/message.h"

namespace polder::hub {

// With a status of HTTP that says it better than that of the error's code.
Response problem(int status, const Error& error, std::string_view request_id);
// With the code's own. Of kIo, kUnavailable and kExhausted, which are the hub's own trouble, the
// text stays here: what somebody asks for beyond a cap is kInvalid, or kIncompatible with what
// there is.
Response problem(const Error& error, std::string_view request_id);
int status_of(Code code);

}  // namespace polder::hub
