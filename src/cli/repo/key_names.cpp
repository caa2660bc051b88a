#include "cli/repo/key_names.h"

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kIdDigits = 64;

}  // namespace

Result<KeyNames> KeyNames::of(const std::string& folder) {
  KeyNames result;
  result.path_ = folder + "/key-names.json";
  const auto text = read_file(result.path_, kMaxBytes);
  if (!text.ok()) {
    if (text.error().code != Code::kNotFound) return text.error();
    return result;
  }
  const auto read = [&]() -> Status {
    TRY_VALUE(const trust::Json json, trust::Json::parse(*text, result.path_));
    TRY_VALUE(const trust::Object names, trust::Object::of(json, result.path_));
    for (const auto& [id, name] : names.members()) {
      TRY_VALUE(const std::string known, names.text(id, kMaxBytes));
      result.names_[id] = one_line(known);
    }
    return {};
  };
  if (const Status status = read(); !status.ok()) {
    return fail(status.error().code, "{}; it only names keys for people: remove it",
                status.error().message);
  }
  return result;
}

void KeyNames::set(const std::string& key_id, std::string_view name) {
  const trust::Json value(one_line(name));
  trust::Json& there = names_[key_id];
  changed_ = changed_ || !(there == value);
  there = value;
}

Status KeyNames::save() {
  if (!changed_) return {};
  const std::string text = trust::Json(names_).pretty();
  if (text.size() > kMaxBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; {} at most: remove it", path_, text.size(),
                kMaxBytes);
  }
  TRY(write_file_atomic(path_, text));
  changed_ = false;
  return {};
}

std::string KeyNames::beside(std::string_view text) const {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  std::string result;
  while (!text.empty()) {
    std::size_t length = 0;
    while (length < text.size() && is_digit(text[length])) ++length;
    result += text.substr(0, length == 0 ? 1 : length);
    const auto name = length == kIdDigits ? names_.find(text.substr(0, length)) : names_.end();
    if (name != names_.end()) result += fmt::format(" ({})", *name->second.string());
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

Error KeyNames::beside(Error error) const {
  error.message = beside(error.message);
  return error;
}

}  // namespace polder::cli
