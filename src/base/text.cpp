#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace polder {

namespace {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = int(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = int(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

unsigned code_point(std::string_view sequence) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  const std::size_t length = sequence.size();
  unsigned value = length == 1 ? byte(0) : byte(0) & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
    value = value << 6 | (byte(i) & 63);
  }
  constexpr unsigned kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  return value >= kLeast[length] && value <= 0x10FFFF && !is_surrogate ? value : 0;
}

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80       ? 1
                             : first >> 5 == 6  ? 2
                             : first >> 4 == 14 ? 3
                             : first >> 3 == 30 ? 4
                                                : 0;
  if (length == 0 || length > text.size()) return 0;
  return length == 1 || code_point(text.substr(0, length)) ? length : 0;
}

bool is_control(unsigned c) {
  const bool is_code = c < 0x20 || (c >= 0x7F && c < 0xA0);
  const bool is_line = c == 0x2028 || c == 0x2029;
  const bool turns = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
                     (c >= 0x2066 && c <= 0x2069);
  return is_code || is_line || turns;
}

std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || is_control(code_point(text.substr(0, length)))) out += '?';
    else out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Where a text may be cut at or before `at`: not within a sequence, which has 3 more bytes at most.
std::size_t cut_before(std::string_view text, std::size_t at) {
  std::size_t cut = at;
  while (cut > 0 && at - cut < 3 && continues(text[cut])) --cut;
  return continues(text[cut]) ? at : cut;
}

}  // namespace

std::string clipped(std::string_view name) {
  constexpr std::size_t kMost = 120;
  if (name.size() <= kMost) return std::string(name);
  return std::string(name.substr(0, cut_before(name, kMost))) + "...";
}

Error fit_to_show(Error error) {
  constexpr std::size_t kMost = 8000;
  constexpr std::string_view kGap = " ... ";
  const std::string_view text = error.message;
  if (text.size() <= kMost) {
    error.message = one_line(text);
    return error;
  }
  const std::size_t half = (kMost - kGap.size()) / 2;
  const std::size_t end = cut_before(text, half);
  std::size_t begin = text.size() - half;
  for (int i = 0; i < 3 && continues(text[begin]); ++i) ++begin;
  error.message = one_line(text.substr(0, end)) + std::string(kGap) + one_line(text.substr(begin));
  return error;
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : one_line(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string with_name(std::string_view name, std::string_view text) {
  std::string prefix = std::string(name) + ": ";
  return text.starts_with(prefix) ? std::string(text) : prefix.append(text);
}

std::string bytes_text(std::uint64_t bytes) {
  const double n = double(bytes);
  if (n >= 1e9) return fmt::format("{:.2f} GB", n * 1e-9);
  if (n >= 1e6) return fmt::format("{:.1f} MB", n * 1e-6);
  if (n >= 1e3) return fmt::format("{:.1f} kB", n * 1e-3);
  return fmt::format("{} bytes", bytes);
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > 64) return {};
  std::string_view best;
  int best_distance = std::max(2, int(name.size()) / 3) + 1;
  for (const std::string_view candidate : known) {
    const int distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace polder
