#include "trust/note.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust {

namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014 and a space
constexpr std::size_t kKeyIdBytes = 4;

// UTF-8 without control characters other than newline.
bool is_note_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    if (static_cast<unsigned char>(text[0]) < 0x20 && text[0] != '\n') return false;
    text.remove_prefix(length);
  }
  return true;
}

Result<NoteSignature> parse_line(std::string_view line, std::string_view where) {
  const auto bad = [&](std::string_view expected) {
    return fail(Code::kCorrupt, "{}: a signature line: {} expected", where, expected);
  };
  if (!line.starts_with(kDash)) return bad("an em dash and a space");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == 0 || space == line.npos) return bad("a key's name, a space and base64");
  if (space > kMaxNoteNameBytes) return bad("a shorter key's name");
  const auto bytes = from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() <= kKeyIdBytes) return bad("base64 of a key id and a signature");
  return NoteSignature{std::string(line.substr(0, space)), bytes->substr(0, kKeyIdBytes),
                       bytes->substr(kKeyIdBytes)};
}

}  // namespace

Result<Note> Note::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() > kMaxNoteBytes) {
    return fail(Code::kExhausted, "{}: a signed note of {} bytes; {} at most", where, bytes.size(),
                kMaxNoteBytes);
  }
  if (!is_note_text(bytes)) {
    return fail(Code::kCorrupt, "{}: a signed note expected: UTF-8 without control characters",
                where);
  }
  const std::size_t blank = bytes.rfind("\n\n");
  if (blank == bytes.npos || !bytes.ends_with('\n') || blank + 2 == bytes.size()) {
    return fail(Code::kCorrupt, "{}: a text, a blank line and signature lines expected", where);
  }
  Note note;
  note.text = bytes.substr(0, blank + 1);
  std::string_view lines = bytes.substr(blank + 2);
  while (!lines.empty()) {
    if (note.signatures.size() == kMaxNoteSignatures) {
      return fail(Code::kExhausted, "{}: more than {} signatures", where, kMaxNoteSignatures);
    }
    const std::size_t end = lines.find('\n');
    TRY_VALUE(NoteSignature signature, parse_line(lines.substr(0, end), where));
    note.signatures.push_back(std::move(signature));
    lines.remove_prefix(end + 1);
  }
  return note;
}

Status Note::verify(std::string_view name, std::span<const PublicKey> keys) const {
  bool signed_by_one = false;
  for (const PublicKey& key : keys) {
    const std::string id = note_key_id(name, key);
    for (const NoteSignature& line : signatures) {
      if (line.name != name || line.key_id != id) continue;
      if (!key.verify(text, line.signature).ok()) {
        return fail(Code::kDenied,
                    "the signature of '{}' does not fit: the text was changed, or it is forged",
                    clipped(name));
      }
      signed_by_one = true;
    }
  }
  if (signed_by_one) return {};
  return fail(Code::kDenied, "no signature of '{}' by {}", clipped(name),
              keys.size() == 1 ? "the given key" : "one of the given keys");
}

std::string note_key_id(std::string_view name, const PublicKey& key) {
  std::string bytes;
  switch (key.scheme()) {
    case Scheme::kEd25519: bytes = fmt::format("{}\n\x01", name) + key.ed25519(); break;
    case Scheme::kEcdsaP256: bytes = key.der(); break;
    case Scheme::kRsaPss:
      bytes = fmt::format("{}\n\xffpolder.rsassa-pss-sha256", name) + key.der();
      break;
  }
  const Sha256 digest = sha256(bytes);
  return {digest.begin(), digest.begin() + kKeyIdBytes};
}

bool is_note_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNoteNameBytes &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '+'; });
}

Result<std::string> sign_note(std::string_view text, std::string_view name, Signer& signer) {
  if (!is_note_name(name)) {
    return fail(Code::kInvalid,
                "'{}' cannot name a log: letters, digits and punctuation without spaces or '+' "
                "expected, such as example.com/audit",
                clipped(name));
  }
  if (!is_note_text(text) || !text.ends_with('\n')) {
    return fail(Code::kInvalid,
                "a note's text is UTF-8 without control characters and ends with "
                "a newline");
  }
  TRY_VALUE(const std::string signature, signer.sign(text));
  return fmt::format("{}\n{}{} {}\n", text, kDash, name,
                     base64(note_key_id(name, signer.public_key()) + signature));
}

}  // namespace polder::trust
