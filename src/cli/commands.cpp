// The lists of commands and nouns, in the order of the help.
#include "cli/commands.h"

namespace polder::cli {

std::span<const Command* const> commands() {
  static constexpr const Command* kCommands[] = {
      &kInspect,       &kCompile,         &kRun,
      &kBench,         &kProfile,         &kPlay,
      &kOperators,     &kKeysCreate,      &kKeysShow,
      &kKeysPublic,    &kKeysPassphrase,  &kKeysSign,
      &kKeysVerify,    &kRepoInit,        &kRepoAdd,
      &kRepoRemove,    &kRepoDelegate,    &kRepoRotate,
      &kRepoRenew,     &kRepoFloor,       &kRepoAssign,
      &kRepoSign,      &kRepoPublish,     &kRepoDiscard,
      &kRepoShow,      &kRepoVerify,      &kReleaseCreate,
      &kReleaseShow,   &kReleaseSign,     &kReleaseVerify,
      &kSeal,          &kUnseal,          &kAuditAdd,
      &kAuditShow,     &kAuditCheckpoint, &kAuditVerify,
      &kAuditProve,    &kAuditCheckProof, &kRolloutCreate,
      &kRolloutList,   &kRolloutShow,     &kRolloutPause,
      &kRolloutResume, &kRolloutAbort,    &kFleetDevices,
      &kFleetTag,      &kFleetShow,       &kHubPush,
      &kHubPull,       &kHubApprovals,    &kHubApprove,
      &kHubReject};
  return kCommands;
}

std::span<const Noun> nouns() {
  static constexpr Noun kNouns[] = {
      {"keys", "Makes and shows keys that sign: in files, on PKCS#11 tokens, in a TPM."},
      {"repo", "Keeps a signed repository of releases, in a folder (TUF)."},
      {"release", "Makes releases of models and checks them; signs models (OpenSSF)."},
      {"rollout", "Brings releases to the devices of a hub, stage by stage."},
      {"fleet", "Shows the devices of a hub and gives them tags."},
      {"hub", "Publishes what is staged and signed through a hub, where two people decide."},
      {"audit", "Keeps and verifies logs of security-relevant acts."}};
  return kNouns;
}

}  // namespace polder::cli
