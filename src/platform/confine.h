// Lists of system calls that the kernel refuses (seccomp). Inside this room.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <vector>

namespace polder {

// A program for the kernel that refuses, with EPERM, sockets, name spaces, tracing and the calls of
// administrators. Calls of another architecture end the process: their numbers mean other things.
std::vector<sock_filter> network_filter();
// A program that allows what running a pipeline takes, on files that are opened and on `self`
// alone, and refuses everything else, with EPERM; with ENOSYS what has an older form or is too
// young to be known.
std::vector<sock_filter> confining_filter(pid_t self);

// Installs it for this thread and what it starts; 0 or an errno value. Allocates nothing.
int install_filter(const std::vector<sock_filter>& filter);

}  // namespace polder
