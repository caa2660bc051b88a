#include "trust/passphrase.h"

#include <cstring>

#include "base/fail.h"
#include "trust/digest.h"

namespace polder::trust {

Result<std::optional<Secret>> GivenPassphrase::handed_over(bool again) {
  if (options_.descriptor.has_value()) {
    TRY_VALUE(Secret line, next_line(again));
    return std::optional<Secret>(std::move(line));
  }
  const char* value = input_.environment(options_.variable);
  if (value == nullptr || *value == '\0') return std::optional<Secret>();
  if (std::strlen(value) > kMaxPassphraseBytes) {
    return fail(Code::kExhausted, "{}: a passphrase of at most {} bytes is expected",
                options_.variable, kMaxPassphraseBytes);
  }
  return std::optional<Secret>(Secret::copy(value));
}

Result<Secret> GivenPassphrase::next_line(bool again) {
  Secret line(kMaxPassphraseBytes);
  const auto size = input_.read_line(*options_.descriptor, line.span());
  if (size.ok()) {
    if (*size == 0) {
      return fail(Code::kInvalid, "{} {}: a passphrase is expected, an empty line found",
                  options_.descriptor_option, *options_.descriptor);
    }
    line.shrink(*size);
    last_line_ = Secret::copy(line.view());
    return line;
  }
  if (size.error().code == Code::kNotFound && again && !last_line_.empty())
    return Secret::copy(last_line_.view());
  return Error(size.error()).at(options_.descriptor_option);
}

Result<Secret> GivenPassphrase::ask(const std::string& prompt, std::string_view what) {
  Secret line(kMaxPassphraseBytes);
  auto size = input_.ask(prompt, line.span());
  if (!size.ok()) return std::move(size).error().at(what);
  line.shrink(*size);
  return line;
}

Result<Secret> GivenPassphrase::existing(std::string_view what) {
  TRY_VALUE(std::optional<Secret> given, handed_over(true));
  if (given.has_value()) return std::move(*given);
  if (!input_.has_terminal()) {
    return fail(Code::kDenied,
                "{} needs a passphrase, and there is no terminal to ask on: give {} N (and "
                "N<FILE in the shell), or set {}",
                what, options_.descriptor_option, options_.variable);
  }
  return ask(fmt::format("Passphrase of {}: ", what), what);
}

Result<std::optional<Secret>> GivenPassphrase::chosen(std::string_view what) {
  if (options_.none) return std::optional<Secret>();
  TRY_VALUE(std::optional<Secret> given, handed_over(false));
  if (given.has_value()) return given;
  if (!input_.has_terminal()) {
    return fail(Code::kDenied,
                "{} is to have a passphrase, and there is no terminal to ask on: give {} N (and "
                "N<FILE in the shell), set {}, or say --no-passphrase",
                what, options_.descriptor_option, options_.variable);
  }
  TRY_VALUE(Secret first, ask(fmt::format("New passphrase of {}: ", what), what));
  if (first.empty()) {
    return fail(Code::kInvalid, "{}: an empty passphrase protects nothing; say --no-passphrase",
                what);
  }
  TRY_VALUE(const Secret second, ask("The same again: ", what));
  if (!equal_in_constant_time(first.view(), second.view()))
    return fail(Code::kInvalid, "{}: the two passphrases differ; nothing was made", what);
  return std::optional<Secret>(std::move(first));
}

Result<Secret> NoPassphrase::existing(std::string_view what) {
  return fail(Code::kDenied, "{} needs a passphrase, and none is expected here", what);
}

}  // namespace polder::trust
