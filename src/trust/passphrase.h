// Where passphrases come from: a prompt on the terminal, a file descriptor or the environment;
// never an argument, which every user of the machine could read.
#pragma once

#include <polder/error.h>

#include <optional>
#include <string>
#include <string_view>

#include "platform/secret_input.h"
#include "trust/secret.h"

namespace polder::trust {

constexpr std::size_t kMaxPassphraseBytes = 1024;

// Asked for a passphrase only when a key needs one. Not thread-safe.
class PassphraseSource {
 public:
  virtual ~PassphraseSource() = default;
  // Of something that is there; `what` names it: "root-1.pem", "token 'release'". Errors: kDenied
  // when there is none to be had.
  virtual Result<Secret> existing(std::string_view what) = 0;
  // For something that is made; nothing when it is explicitly to be without. Errors: kDenied.
  virtual Result<std::optional<Secret>> chosen(std::string_view what) = 0;
};

// What a command or a daemon was told.
struct PassphraseOptions {
  std::optional<int> descriptor;                           // --passphrase-fd
  bool none = false;                                       // --no-passphrase, for what is made
  const char* variable = "POLDER_PASSPHRASE";              // of the environment
  std::string_view descriptor_option = "--passphrase-fd";  // named by errors
};

// The descriptor if one is given, else the variable if it is set, else the terminal. A descriptor
// gives a line to each key in turn; its last line serves all other keys that are there. What is
// chosen on the terminal is asked for twice. Borrows `input`.
class GivenPassphrase final : public PassphraseSource {
 public:
  GivenPassphrase(SecretInput& input, PassphraseOptions options)
      : input_(input), options_(options) {}
  Result<Secret> existing(std::string_view what) override;
  Result<std::optional<Secret>> chosen(std::string_view what) override;

 private:
  // Nothing when neither a descriptor nor the variable is given.
  Result<std::optional<Secret>> handed_over(bool again);
  Result<Secret> next_line(bool again);
  Result<Secret> ask(const std::string& prompt, std::string_view what);

  SecretInput& input_;
  PassphraseOptions options_;
  Secret last_line_;
};

// For keys without one: asked for a passphrase it says that there is none.
class NoPassphrase final : public PassphraseSource {
 public:
  Result<Secret> existing(std::string_view what) override;
  Result<std::optional<Secret>> chosen(std::string_view) override {
    return std::optional<Secret>();
  }
};

}  // namespace polder::trust
