// The commands, one file each.
#pragma once

#include "cli/args.h"

namespace polder::cli {

extern const Command kInspect;
extern const Command kCompile;
extern const Command kRun;
extern const Command kBench;
extern const Command kProfile;
extern const Command kPlay;
extern const Command kOperators;
extern const Command kKeysCreate;
extern const Command kKeysShow;
extern const Command kKeysPublic;
extern const Command kKeysPassphrase;
extern const Command kKeysSign;
extern const Command kKeysVerify;

}  // namespace polder::cli
