// What the commands on repositories share: keys as they are given, and what is staged.
#pragma once

#include <polder/error.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/act_log.h"
#include "cli/args.h"
#include "cli/repo/key_names.h"
#include "trust/json.h"
#include "trust/signer.h"
#include "trust/tuf_repository.h"

namespace polder::cli {

#define POLDER_REPO_SIGN_OPTION                                                                  \
  {"--key", "KEY", "signs with this private key at once: FILE, pkcs11:... or tpm:HANDLE", true}, \
      POLDER_AUDIT_LOG_OPTION

// The repository that a command is about, as it was typed, without a '/' behind it: errors name it
// and what is in it.
std::string folder_of(const Args& args);

// Public keys of PEM files, as an option that repeats gives them. Errors name the file.
Result<std::vector<trust::PublicKey>> public_keys(const Args& args, std::string_view option);
// The same, and how many of them are to sign.
Result<trust::tuf::Trust> trust_of(const Args& args, std::string_view keys_option,
                                   std::string_view threshold_option, int fallback);

// Their ids.
trust::Json ids_json(std::span<const trust::PublicKey> keys);

// The private keys that --key names.
class GivenSigners {
 public:
  // Errors: those of open_signer().
  static Result<GivenSigners> of(const Args& args);
  std::vector<trust::Signer*> pointers() const;
  std::vector<std::string> ids() const;
  // The files or URIs as they were given, in the order of pointers().
  const std::vector<std::string>& uris() const { return uris_; }

 private:
  std::vector<std::unique_ptr<trust::Signer>> signers_;
  std::vector<std::string> uris_;
};

// Seconds since 1970, or what SOURCE_DATE_EPOCH says, so that a repository can be made again to the
// byte. Errors: kInvalid.
Result<std::int64_t> signing_time();

// Prints what is staged, who signed it and whose signatures it lacks. Returns the exit status.
Result<int> show_staging(const trust::tuf::Repository& repository, const Args& args);
// What is staged, as JSON and for people.
trust::Json staged_json(const std::vector<trust::tuf::Staged>& staged);
Status print_staged(const trust::tuf::Repository& repository,
                    const std::vector<trust::tuf::Staged>& staged, const KeyNames& names);
// What is staged on a state that is none any more, as "targets version 4, of which version 4 is
// published": no device would take it. Empty: nothing is. Errors: those of Repository.
Result<std::string> outdated(const trust::tuf::Repository& repository);
// Whether it was pulled from a hub (FOLDER/pulled.json), which has the files that are not here, and
// publishes what is staged here.
bool was_pulled(const std::string& folder);
Status note_pulled(const std::string& folder, const std::string& hub_url);
// Whether it is of a hub, which signs snapshot, timestamp and assignments by itself.
bool is_of_hub(const trust::tuf::Repository& repository);
bool is_of_assignments(std::string_view role);

}  // namespace polder::cli
