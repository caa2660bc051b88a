#include "cli/passphrase.h"

#include "base/fail.h"

namespace polder::cli {

namespace {

SecretInput& system_input() {
  static SystemSecretInput input;
  return input;
}

std::optional<int> descriptor_of(const Args& args) {
  if (!args.has("--passphrase-fd")) return std::nullopt;
  return int(args.integer("--passphrase-fd", 0));
}

}  // namespace

CommandPassphrase::CommandPassphrase(const trust::PassphraseOptions& options)
    : source_(system_input(), options) {}

Result<CommandPassphrase> CommandPassphrase::of(const Args& args, const char* variable) {
  trust::PassphraseOptions options;
  options.variable = variable;
  options.none = args.has("--no-passphrase");
  options.descriptor = descriptor_of(args);
  return CommandPassphrase(options);
}

Result<CommandPassphrase> CommandPassphrase::before(const Args& args) {
  trust::PassphraseOptions options;
  options.descriptor = descriptor_of(args);
  return CommandPassphrase(options);
}

}  // namespace polder::cli
