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
extern const Command kRepoInit;
extern const Command kRepoAdd;
extern const Command kRepoRemove;
extern const Command kRepoDelegate;
extern const Command kRepoRotate;
extern const Command kRepoRenew;
extern const Command kRepoTrustHub;
extern const Command kRepoFloor;
extern const Command kRepoAssign;
extern const Command kRepoSign;
extern const Command kRepoPublish;
extern const Command kRepoDiscard;
extern const Command kRepoShow;
extern const Command kRepoVerify;
extern const Command kRolloutCreate;
extern const Command kRolloutList;
extern const Command kRolloutShow;
extern const Command kRolloutPause;
extern const Command kRolloutResume;
extern const Command kRolloutAbort;
extern const Command kRolloutDevices;
extern const Command kFleetDevices;
extern const Command kFleetGroups;
extern const Command kFleetGroup;
extern const Command kFleetTag;
extern const Command kFleetShow;
extern const Command kFleetStatus;
extern const Command kFleetMetrics;
extern const Command kFleetRevoke;
extern const Command kFleetEnrolmentToken;
extern const Command kFleetEnrolmentTokens;
extern const Command kFleetRevokeEnrolmentToken;
extern const Command kHubPush;
extern const Command kHubPull;
extern const Command kHubApprovals;
extern const Command kHubApprove;
extern const Command kHubReject;
extern const Command kHubModels;
extern const Command kHubReleases;
extern const Command kHubAlias;
extern const Command kHubRepository;
extern const Command kHubTokens;
extern const Command kHubAddToken;
extern const Command kHubRevokeToken;
extern const Command kHubLog;
extern const Command kHubProof;
extern const Command kHubCheckpoint;
extern const Command kReleaseCreate;
extern const Command kReleaseShow;
extern const Command kReleaseSign;
extern const Command kReleaseVerify;
extern const Command kSeal;
extern const Command kUnseal;
extern const Command kAuditAdd;
extern const Command kAuditShow;
extern const Command kAuditCheckpoint;
extern const Command kAuditVerify;
extern const Command kAuditProve;
extern const Command kAuditCheckProof;

}  // namespace polder::cli
