// What commands ask the system about where they run.
#pragma once

namespace polder {

// Whether progress and colours make sense on stderr.
bool stderr_is_terminal();

}  // namespace polder
