#include "cli/output_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/audit_log.h"
#include "trust/sealed_file.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

Status check_apart(const std::string& output, std::string input) {
  if (input.starts_with("file:")) input.erase(0, 5);  // a key's URI
  const auto refuse = [&](const std::string& name) {
    return fail(Code::kInvalid, "{}: that is {}, which is read here: give the output another name",
                output, output == name ? "the file" : name);
  };
  const std::size_t equals = input.find('=');  // NAME=FILE
  for (const std::string& name : {input, equals == input.npos ? input : input.substr(equals + 1),
                                  trust::checkpoints_path(input), trust::sealed_keys_path(input)}) {
    if (is_same_file(output, name)) return refuse(name);
  }
  return {};
}

bool is_audit_log(const ReadableFile& file, const std::string& path) {
  trust::LogReader entries(file);
  const auto line = entries.next();
  return line.ok() && *line && trust::Entry::parse(**line, path).ok();
}

// What is there already is replaced, but not what cannot be made again.
Status check_replaceable(const std::string& output) {
  const auto file = open_readable(output);
  if (!file) return {};  // nothing, or no file; whoever writes it tells
  if (trust::holds_private_key(output)) {
    return fail(Code::kDenied, "{}: holds a private key: give the output another name", output);
  }
  if (is_audit_log(**file, output)) {
    return fail(Code::kDenied, "{}: holds an audit log: give the output another name", output);
  }
  return {};
}

}  // namespace

Status check_output(const std::string& output, const Args& args, std::string_view option) {
  for (const std::string& input : args.positional()) TRY(check_apart(output, input));
  for (const auto& [name, value] : args.given()) {
    if (name != option) TRY(check_apart(output, value));
  }
  return check_replaceable(output);
}

Status check_output(const Args& args, std::string_view option) {
  return args.has(option) ? check_output(args.text(option), args, option) : Status();
}

Status write_output(const Args& args, std::string_view option, std::string_view text) {
  TRY(check_output(args, option));
  const std::string path = args.text(option);
  TRY(write_file_atomic(path, text));
  fmt::print(stderr, "polder: wrote {}\n", one_line(path));
  return {};
}

}  // namespace polder::cli
