// What the client makes of a status that is no success. Inside this room.
#pragma once

#include <polder/error.h>

namespace polder {

// As HttpClient says (platform/http.h).
Error http_status_error(int status);

}  // namespace polder
