// How a person or a script hands over a secret: typed unseen, through a file descriptor, or in the
// environment. The bytes go into the caller's memory and nowhere else, for the caller to wipe.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace polder {

class SecretInput {
 public:
  virtual ~SecretInput() = default;
  virtual bool has_terminal() const = 0;
  // Shows `prompt` on the terminal and reads a line without showing it. Returns its length, without
  // the line's end. Errors: kUnavailable without a terminal; kDenied when it is given up (Ctrl-C,
  // Ctrl-D); kExhausted when it does not fit.
  virtual Result<std::size_t> ask(std::string_view prompt, std::span<char> into) = 0;
  // Reads a line from a descriptor, byte by byte, so that the next line stays for the next reader.
  // Returns its length, without the line's end. Errors: kNotFound at the end of the data;
  // kInvalid when there is no such descriptor; kIo; kExhausted when it does not fit.
  virtual Result<std::size_t> read_line(int descriptor, std::span<char> into) = 0;
  // nullptr when the variable is not set.
  virtual const char* environment(const char* name) const = 0;
};

// The process's own terminal (/dev/tty), descriptors and environment.
class SystemSecretInput final : public SecretInput {
 public:
  bool has_terminal() const override;
  Result<std::size_t> ask(std::string_view prompt, std::span<char> into) override;
  Result<std::size_t> read_line(int descriptor, std::span<char> into) override;
  const char* environment(const char* name) const override;
};

// The fake: what is typed, what descriptors hold and what the environment says is set beforehand.
class FakeSecretInput final : public SecretInput {
 public:
  bool terminal = true;
  std::deque<std::string> typed;                       // an answer to each ask()
  std::map<int, std::deque<std::string>> descriptors;  // lines of each
  std::map<std::string, std::string> variables;
  std::deque<std::string> prompts;  // what ask() has shown

  bool has_terminal() const override { return terminal; }
  Result<std::size_t> ask(std::string_view prompt, std::span<char> into) override;
  Result<std::size_t> read_line(int descriptor, std::span<char> into) override;
  const char* environment(const char* name) const override;
};

}  // namespace polder
