// The options by which every command that opens or makes private keys gets passphrases.
#pragma once

#include "cli/args.h"
#include "trust/passphrase.h"

namespace polder::cli {

#define POLDER_PASSPHRASE_OPTION                                                           \
  {                                                                                        \
    "--passphrase-fd", "N",                                                                \
        "reads passphrases or PINs from file descriptor N, a line for each key (default: " \
        "POLDER_PASSPHRASE, or a prompt)",                                                 \
        false, whole<0, 65535>                                                             \
  }
// Of commands that make a key.
#define POLDER_NO_PASSPHRASE_OPTION \
  { "--no-passphrase", "", "the new key is not encrypted: whoever reads the file has it" }

// What the arguments and the environment say, with the process's terminal behind it.
class CommandPassphrase {
 public:
  // `variable` of the environment. Errors: kInvalid.
  static Result<CommandPassphrase> of(const Args& args, const char* variable = "POLDER_PASSPHRASE");
  // Of a key that is there, whatever is said about a new one.
  static Result<CommandPassphrase> before(const Args& args);
  trust::PassphraseSource& source() { return source_; }

 private:
  explicit CommandPassphrase(const trust::PassphraseOptions& options);
  trust::GivenPassphrase source_;
};

}  // namespace polder::cli
