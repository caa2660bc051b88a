// Runs other programs and reads what they print.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <string>
#include <vector>

namespace polder {

struct ProcessResult {
  int exit_status = 0;  // 128 + the signal's number when a signal ended it
  std::string output;   // its standard output; standard error is this process's own
};

// Runs command[0] (looked for in PATH when it has no slash) with its arguments and waits for its
// end. Nothing is interpreted by a shell. Errors: kInvalid for no command, kUnavailable when it
// cannot be started, kExhausted when it prints more than `cap_bytes` (it is ended then).
Result<ProcessResult> run_process(const std::vector<std::string>& command, std::size_t cap_bytes);

// Sets a variable of the environment that is not set; for libraries that take settings from nowhere
// else. Not while another thread reads the environment.
void set_default_environment(const char* name, const char* value);

// From now on other processes of the same user neither trace this one nor read its memory, and its
// crash leaves no core file. Programs that it runs begin as they always do.
void hide_this_process();

// What lists of processes call this one: at most 15 bytes. A program that was run by its descriptor
// has a number for a name.
void name_this_process(const char* name);

// While `wanted`, SIGTERM ends this process no longer but is remembered.
void hold_termination(bool wanted);
bool termination_is_held();
// Ends this process as SIGTERM does.
[[noreturn]] void end_by_termination();

// By this path a process starts the very file that it runs itself, whatever its name leads to by
// now.
inline constexpr char kThisProgram[] = "/proc/self/exe";

// From now on SIGHUP ends this process no longer but is remembered.
void hold_hangup();
bool hangup_is_held();
// Forgets it.
void answer_hangup();
// The program that this one becomes is not ended by one either, until it holds them itself.
void ignore_hangup();

// The path of the running program. Errors: kIo.
Result<std::string> own_program();

}  // namespace polder
