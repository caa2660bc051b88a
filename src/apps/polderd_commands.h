// The commands of polderd.
#pragma once

#include <polder/error.h>

#include "platform/command_line.h"

namespace polder::agent {

// Each prints its result on stdout and returns the exit status; an error is printed by the caller.
Result<int> run_command(const command_line::Args& args);
Result<int> check_command(const command_line::Args& args);
Result<int> status_command(const command_line::Args& args);
Result<int> doctor_command(const command_line::Args& args);
Result<int> enrol_command(const command_line::Args& args);
Result<int> identity_create_command(const command_line::Args& args);
Result<int> identity_show_command(const command_line::Args& args);
Result<int> identity_csr_command(const command_line::Args& args);
Result<int> reference_command(const command_line::Args& args);

}  // namespace polder::agent
