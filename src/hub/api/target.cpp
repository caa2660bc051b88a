#include "hub/api/target.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxTargetBytes = 2'048;

// The byte that "2F" stands for; -1 for what is no two hexadecimal digits.
int hex_byte(std::string_view digits) {
  int byte = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, byte, 16);
  return digits.size() == 2 && read.ec == std::errc() && read.ptr == end && byte >= 0 ? byte : -1;
}

Result<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      c = hex_byte(text.substr(i + 1, 2));
      if (c < 0)
        return fail(Code::kInvalid, "the address has a '%' without two hexadecimal digits");
      i += 2;
    }
    if (c < ' ' || c >= 127)
      return fail(Code::kInvalid, "the address has a character that is not printable ASCII");
    out += static_cast<char>(c);
  }
  return out;
}

Status read_query(std::string_view text, Target& target) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0)
      return fail(Code::kInvalid, "the query: name=value expected, '{}' found", clipped(pair));
    TRY_VALUE(const std::string name, decoded(pair.substr(0, equals)));
    TRY_VALUE(std::string value, decoded(pair.substr(equals + 1)));
    if (!target.query.emplace(name, std::move(value)).second)
      return fail(Code::kInvalid, "the query has '{}' twice", clipped(name));
  }
  return {};
}

}  // namespace

Result<Target> Target::parse(std::string_view text) {
  if (text.size() > kMaxTargetBytes)
    return fail(Code::kInvalid, "the address has {} bytes; at most {}", text.size(),
                kMaxTargetBytes);
  if (!text.starts_with('/')) return fail(Code::kInvalid, "the address does not begin with '/'");
  Target target;
  const std::size_t question = text.find('?');
  if (question != text.npos) TRY(read_query(text.substr(question + 1), target));
  std::string_view path = text.substr(0, question);
  while (path.size() > 1 || (path.size() == 1 && !target.path.empty())) {
    path.remove_prefix(1);  // '/'
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty()) return fail(Code::kInvalid, "the address has an empty part");
    TRY_VALUE(std::string plain, decoded(part));
    target.path.push_back(std::move(plain));
    path.remove_prefix(part.size());
  }
  return target;
}

Status Target::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : query) {
    if (std::ranges::find(names, name) != names.end()) continue;
    const std::string_view near = nearest_name(name, {names.begin(), names.size()});
    return fail(Code::kInvalid, "the query has an unknown name '{}'{}", clipped(name),
                near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
  }
  return {};
}

Result<std::int64_t> Target::integer(std::string_view name, std::int64_t min, std::int64_t max,
                                     std::int64_t fallback) const {
  const auto found = query.find(name);
  if (found == query.end()) return fallback;
  const std::string& digits = found->second;
  const char* const end = digits.data() + digits.size();
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < min || value > max)
    return fail(Code::kInvalid, "the query: {}: a whole number from {} to {} expected, '{}' found",
                name, min, max, clipped(digits));
  return value;
}

Result<std::int64_t> Target::time(std::string_view name, std::int64_t fallback) const {
  const auto found = query.find(name);
  if (found == query.end()) return fallback;
  auto time_s = trust::tuf::parse_time(found->second, "");
  if (time_s.ok()) return time_s;
  return fail(Code::kInvalid,
              "the query: {}: a time such as 2026-11-28T18:41:40Z expected, '{}' found", name,
              clipped(found->second));
}

std::string Target::text(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

}  // namespace polder::hub
