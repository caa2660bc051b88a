// polder audit checkpoint: signs what a log holds.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/audit/common.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "platform/file.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--key", "KEY", "the private key that signs: FILE, pkcs11:... or tpm:HANDLE"},
    {"--earlier", "PUB.pem", "a key that signed this log before, after a change of keys", true},
    {"--output", "FILE", "a copy of the checkpoint, to be kept elsewhere"},
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what was signed as JSON"}};

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  if (!args.has("--key") && args.text("--key").empty()) {
    return fail(Code::kInvalid, "--key is missing: the private key that signs");
  }
  TRY(open_readable(path));  // nothing is begun here
  TRY(check_output(args, "--output"));
  TRY_VALUE(const auto earlier, public_keys(args, "--earlier"));
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const auto signer, trust::open_signer(args.text("--key"), passphrase.source()));
  TRY_VALUE(auto log, trust::AuditLog::open(path, {}));
  TRY_VALUE(const std::string note, log.checkpoint(*signer, earlier));
  TRY_VALUE(const trust::Checkpoint checkpoint,
            trust::open_checkpoint(note, {&signer->public_key(), 1}, path));
  if (args.has("--output")) TRY(write_file_atomic(args.text("--output"), note));
  if (args.has("--json")) fmt::print("{}", checkpoint_json(checkpoint).pretty());
  else fmt::print("{}: {} entries signed\n", one_line(checkpoint.origin), checkpoint.size);
  return 0;
}

}  // namespace

const Command kAuditCheckpoint = {
    .name = "audit checkpoint",
    .summary =
        "Signs what an audit log holds now, into LOG.checkpoints.\nKeep a copy (--output) where "
        "nobody who can write the log can reach it.",
    .arguments = "LOG",
    .example =
        "  polder audit checkpoint audit.log --key audit.pem --output kept/2026-11.checkpoint",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
