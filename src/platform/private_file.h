// Files that only their owner may read, such as those of private keys.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace polder {

// Reads the whole file into the caller's memory, without a copy elsewhere; returns its size.
// Errors: kDenied when its group or others may read or write it (other than a credential of
// systemd: root's, of mode 0440) or this user may not, with the command that mends it, or when it
// is neither this user's nor root's; kNotFound; kExhausted when it does not fit; kInvalid when it
// is no regular file; kIo.
Result<std::size_t> read_private_file(const std::string& path, std::span<char> into);

// The same of a file that anybody may read.
Result<std::size_t> read_file_into(const std::string& path, std::span<char> into);

// Makes a file of mode 0600, complete or not at all. Errors: kDenied when the name is taken, by
// whatever it is: nothing is ever overwritten; kExhausted; kIo.
Status create_private_file(const std::string& path, std::string_view bytes);

// Puts another file of mode 0600 in the place of the one that is there, complete or not at all.
// Errors: kInvalid when it is a link or no regular file; else as create_private_file().
Status replace_private_file(const std::string& path, std::string_view bytes);

}  // namespace polder
