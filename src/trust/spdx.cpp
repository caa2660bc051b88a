#include "trust/spdx.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"

namespace polder::trust {

namespace {

constexpr int kMaxNesting = 32;

bool is_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.';
}

bool is_operator(std::string_view word) { return word == "AND" || word == "OR" || word == "WITH"; }

// "MIT", "GPL-2.0+", "LicenseRef-x", "DocumentRef-a:LicenseRef-b".
bool is_id(std::string_view word) {
  if (const std::size_t colon = word.find(':'); colon != word.npos) {
    return word.starts_with("DocumentRef-") && word.substr(colon + 1).starts_with("LicenseRef-") &&
           is_id(word.substr(0, colon)) && is_id(word.substr(colon + 1));
  }
  if (word.ends_with('+')) word.remove_suffix(1);
  return !word.empty() && !is_operator(word) &&
         std::all_of(word.begin(), word.end(), is_id_character);
}

// Reads by descent: expression = term { (AND | OR) term }; precedence does not matter here.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) { advance(); }

  bool whole() { return expression(0) && word_.empty(); }
  std::string_view word() const { return word_; }

 private:
  void advance() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    const std::size_t size = rest_.starts_with('(') || rest_.starts_with(')')
                                 ? 1
                                 : std::min(rest_.find_first_of(" ()"), rest_.size());
    word_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  bool take(std::string_view expected) {
    if (word_ != expected) return false;
    advance();
    return true;
  }
  bool identifier() {
    if (!is_id(word_)) return false;
    advance();
    return true;
  }
  bool term(int depth) {
    if (take("(")) return depth < kMaxNesting && expression(depth + 1) && take(")");
    return identifier() && (!take("WITH") || identifier());
  }
  bool expression(int depth) {
    if (!term(depth)) return false;
    while (take("AND") || take("OR")) {
      if (!term(depth)) return false;
    }
    return true;
  }

  std::string_view rest_, word_;
};

}  // namespace

bool is_spdx_id(std::string_view text) { return is_id(text); }

Status check_spdx(std::string_view text, std::string_view where) {
  Reader reader(text);
  if (text.size() <= kMaxLicenceBytes && reader.whole()) return {};
  return fail(Code::kCorrupt,
              "{}: an SPDX expression such as Apache-2.0, LicenseRef-ours or 'MIT OR Apache-2.0' "
              "expected, '{}' found (unclear from '{}' on)",
              where, clipped(text), clipped(reader.word()));
}

}  // namespace polder::trust
