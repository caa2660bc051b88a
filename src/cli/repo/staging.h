// Commands that stage something and may sign it at once: all of what one does is done, or nothing.
//
//   return stage(args, [&](Staging& staging) -> Status {
//     TRY(staging.repository.add_bytes("floors.json", floors.bytes(), staging.now_s));
//     staging.note(trust::Act::kFloorRaised, "people 1.2.0", {{"repository", folder}});
//     return {};
//   });
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/act_log.h"
#include "cli/args.h"
#include "trust/audit_log.h"
#include "trust/json.h"
#include "trust/tuf_repository.h"

namespace polder::cli {

struct Staging {
  trust::tuf::Repository& repository;
  std::int64_t now_s = 0;         // signing_time()
  bool may_lower_floors = false;  // whoever gave the command has said so
  bool has_nothing_to_sign = false;

  // Goes on record once all is signed.
  void note(trust::Act act, std::string object, trust::Json::Members details,
            std::vector<std::string> key_ids = {});

  struct Note {
    trust::Act act;
    std::string object;
    std::vector<std::string> key_ids;
    trust::Json::Members details;
  };
  std::vector<Note> notes;
};

using StagingBody = std::function<Status(Staging& staging)>;

// Runs the body in the repository that the command is about; where keys are given tells what they
// are about to sign, and signs with them; puts all of it on record, and prints what is staged.
// Returns the exit status. Errors: the body's; those of a key that cannot be opened, or that signs
// for nothing that is staged; kDenied for a target whose file is not here or another, unless
// --without-files is given, and for floors that are lower than the published ones; kCorrupt and the
// like for a target that devices refuse. Then nothing is staged or signed that was not before.
Result<int> stage(const Args& args, const StagingBody& body);
// The same in one that is open already, or was created for it, and would be none then.
Result<int> stage(const Args& args, trust::tuf::Repository& repository, ActLog& acts,
                  const StagingBody& body);

// The error with the file beside each key id that an option of the command gave.
Error beside_given_keys(Error error, const Args& args);

}  // namespace polder::cli
