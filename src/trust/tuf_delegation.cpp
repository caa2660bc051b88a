// Which targets a delegated role is trusted for (specification 1.0.34, section 4.5; TAP 15).
#include "trust/tuf_metadata.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust::tuf {

namespace {

// The characters of a text; bytes that are not UTF-8 become numbers that no character has.
std::u32string characters(std::string_view text) {
  constexpr char32_t kBytes = 0x110000;
  std::u32string result;
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    const char32_t point = size > 0 ? code_point(text.substr(0, size)) : 0;
    const bool whole = point != 0 || size == 1;
    result += whole ? point : kBytes + static_cast<unsigned char>(text[0]);
    text.remove_prefix(whole ? size : 1);
  }
  return result;
}

// The set that begins at pattern[0] == '[', as "[a-c]" or "[!a-c]": its length, and whether
// `character` is in it. Length 0: it does not end before the next '/', so '[' stands for itself.
std::pair<std::size_t, bool> match_set(std::u32string_view pattern, char32_t character) {
  std::size_t i = 1;
  const bool inverted = i < pattern.size() && pattern[i] == '!';
  if (inverted) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
    const char32_t low = pattern[i];
    char32_t high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = pattern[i + 2];
      i += 2;
    }
    if (low == '/' || high == '/') return {0, false};
    ++i;
    found = found || (low <= character && character <= high);
  }
  if (i >= pattern.size()) return {0, false};
  return {i + 1, found != inverted};
}

// One character of a path against the beginning of the pattern: how much of the pattern it took; 0:
// it does not fit.
std::size_t match_one(std::u32string_view pattern, char32_t character) {
  if (pattern.empty()) return 0;
  if (character == '/' || pattern[0] == '/') return pattern[0] == character ? 1 : 0;
  if (pattern[0] == '?') return 1;
  if (pattern[0] == '[') {
    const auto [size, fits] = match_set(pattern, character);
    if (size > 0) return fits ? size : 0;
  }
  return pattern[0] == character ? 1 : 0;
}

// Whether the path fits the pattern: '*' stands for any characters, '?' for one, neither for '/'.
bool matches(std::u32string_view pattern, std::u32string_view path) {
  // `star`: after the last '*', which has taken the path up to `taken`. Where a character does not
  // fit, that '*' takes one more; earlier ones need not, so the time is quadratic at worst.
  std::size_t p = 0, t = 0, star = pattern.npos, taken = 0;
  while (t < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      taken = t;
    } else if (const std::size_t step = match_one(pattern.substr(p), path[t]); step > 0) {
      p += step;
      ++t;
    } else if (star == pattern.npos || path[taken] == '/') {
      return false;
    } else {
      p = star;
      t = ++taken;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

bool DelegatedRole::covers(std::string_view target_path) const {
  if (path_hash_prefixes) {
    const std::string digest = hex(sha256(target_path));
    return std::any_of(path_hash_prefixes->begin(), path_hash_prefixes->end(),
                       [&](const std::string& prefix) { return digest.starts_with(prefix); });
  }
  if (!paths) return false;
  const std::u32string path = characters(target_path);
  return std::any_of(paths->begin(), paths->end(), [&](const std::string& pattern) {
    return matches(characters(pattern), path);
  });
}

std::string SuccinctRoles::bin_of(std::string_view target_path) const {
  const Sha256 digest = sha256(target_path);
  const unsigned first = unsigned(digest[0]) << 24 | unsigned(digest[1]) << 16 |
                         unsigned(digest[2]) << 8 | unsigned(digest[3]);
  return bin_name(first >> (32 - bit_length));
}

std::string SuccinctRoles::bin_name(unsigned number) const {
  const int digits = int(fmt::format("{:x}", (1u << bit_length) - 1).size());
  return fmt::format("{}-{:0{}x}", name_prefix, number, digits);
}

bool SuccinctRoles::has_bin(std::string_view name) const {
  const std::string first = bin_name(0);
  const std::size_t start = name_prefix.size() + 1;
  if (name.size() != first.size() || name.substr(0, start) != first.substr(0, start)) return false;
  const std::string_view digits = name.substr(start);
  return digits.find_first_not_of("0123456789abcdef") == digits.npos &&
         digits <= bin_name((1u << bit_length) - 1).substr(start);
}

}  // namespace polder::trust::tuf
