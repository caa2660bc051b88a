#include "platform/terminal.h"

#include <unistd.h>

namespace polder {

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) != 0; }

}  // namespace polder
