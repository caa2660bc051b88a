#include "trust/version.h"

#include <algorithm>
#include <cctype>

#include "base/fail.h"
#include "base/text.h"

namespace polder::trust {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

// Digits without leading zeros, at most nine. false when it is none.
bool read_number(std::string_view text, std::uint32_t& number) {
  if (text.empty() || text.size() > 9 || !all_digits(text)) return false;
  if (text[0] == '0' && text.size() > 1) return false;
  number = 0;
  for (const char digit : text) number = number * 10 + std::uint32_t(digit - '0');
  return true;
}

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  if (all_digits(text)) return text.size() == 1 || text[0] != '0';
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

// Takes what stands before the next '.' off `text`; false at its end.
bool next_part(std::string_view& text, std::string_view& part) {
  if (text.data() == nullptr) return false;
  const std::size_t dot = text.find('.');
  part = text.substr(0, dot);
  text = dot == text.npos ? std::string_view() : text.substr(dot + 1);
  return true;
}

bool all_identifiers(std::string_view text) {
  std::string_view part;
  while (next_part(text, part)) {
    if (!is_identifier(part)) return false;
  }
  return true;
}

// Numbers by value and before words; words by their bytes.
std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const bool a_number = all_digits(a), b_number = all_digits(b);
  if (a_number != b_number) return b_number <=> a_number;
  if (a_number && a.size() != b.size()) return a.size() <=> b.size();  // no leading zeros
  return a.compare(b) <=> 0;
}

std::strong_ordering compare_pre_release(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() <=> b.empty();
  while (true) {
    std::string_view part_a, part_b;
    const bool more_a = next_part(a, part_a), more_b = next_part(b, part_b);
    if (!more_a || !more_b) return more_a <=> more_b;
    if (const auto order = compare_identifiers(part_a, part_b); order != 0) return order;
  }
}

}  // namespace

Result<Version> Version::parse(std::string_view text, std::string_view where) {
  const auto bad = [&] {
    return fail(Code::kCorrupt, "{}: a version such as 1.4.0 or 2.0.0-rc.1 expected, '{}' found",
                where, clipped(text));
  };
  if (text.size() > kMaxVersionBytes) return bad();
  const std::size_t dash = text.find('-');
  std::string_view numbers = text.substr(0, dash), part;
  Version version;
  for (std::uint32_t* number : {&version.major, &version.minor, &version.patch}) {
    if (!next_part(numbers, part) || !read_number(part, *number)) return bad();
  }
  if (numbers.data() != nullptr) return bad();
  if (dash == text.npos) return version;
  version.pre_release = text.substr(dash + 1);
  if (version.pre_release.empty() || !all_identifiers(version.pre_release)) return bad();
  return version;
}

std::string Version::text() const {
  return fmt::format("{}.{}.{}{}{}", major, minor, patch, pre_release.empty() ? "" : "-",
                     pre_release);
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (const auto order = major <=> other.major; order != 0) return order;
  if (const auto order = minor <=> other.minor; order != 0) return order;
  if (const auto order = patch <=> other.patch; order != 0) return order;
  return compare_pre_release(pre_release, other.pre_release);
}

}  // namespace polder::trust
