// polder keys public: the public half of a private key.
#include <cstdio>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "cli/output_file.h"
#include "cli/passphrase.h"
#include "platform/file.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {{"--output", "FILE", "writes it there (default: stdout)"},
                               POLDER_PASSPHRASE_OPTION,
                               {"--json", "", "prints what keys show prints, as JSON"}};

Result<int> run(const Args& args) {
  const std::string& uri = args.positional()[0];
  TRY(check_output(args, "--output"));
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const trust::OpenedPublicKey opened, trust::open_public_key(uri, passphrase.source()));
  if (args.has("--output")) TRY(write_file_atomic(args.text("--output"), opened.key.pem()));
  if (args.has("--json")) print_key(opened.key, uri, opened.from_private, true);
  else if (!args.has("--output")) std::fputs(opened.key.pem().c_str(), stdout);
  return 0;
}

}  // namespace

const Command kKeysPublic = {
    .name = "keys public",
    .summary = "Writes the public half of a private key, in PEM (SubjectPublicKeyInfo).",
    .arguments = "KEY",
    .example = "  polder keys public root-1.pem --output root-1.pub.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
