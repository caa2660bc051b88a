// Signed notes: a text and lines of signatures under it, as checkpoints of logs are published
// (c2sp.org/signed-note).
//
//   TRY_VALUE(const std::string bytes, sign_note("a text\n", "example.com/log", signer));
//   TRY_VALUE(const Note note, Note::parse(bytes, "log.checkpoint"));
//   TRY(note.verify("example.com/log", {&key, 1}));
//
// Signatures are those of the specification: Ed25519 (type 0x01), and ECDSA P-256 over SHA-256 in
// DER (type 0x02). RSA-PSS, which it does not have, takes the type 0xff that it leaves to others,
// followed by "polder.rsassa-pss-sha256".
#pragma once

#include <polder/error.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trust/key.h"

namespace polder::trust {

inline constexpr std::size_t kMaxNoteBytes = 64 * 1024;
inline constexpr std::size_t kMaxNoteSignatures = 64;
inline constexpr std::size_t kMaxNoteNameBytes = 256;

struct NoteSignature {
  std::string name;
  std::string key_id;  // 4 bytes
  std::string signature;
};

struct Note {
  std::string text;  // with its last newline
  std::vector<NoteSignature> signatures;

  // Errors: kCorrupt for what is no note; kExhausted above the caps.
  static Result<Note> parse(std::string_view bytes, std::string_view where);
  // Whether one of `keys` signed the text under `name`. A bad signature of one of them makes the
  // whole note bad; those of others mean nothing. Errors: kDenied.
  Status verify(std::string_view name, std::span<const PublicKey> keys) const;
};

// What tells keys apart under a name: 4 bytes.
std::string note_key_id(std::string_view name, const PublicKey& key);

// Whether it may name a key or a log: printable ASCII characters without a space or '+'.
bool is_note_name(std::string_view name);

// The note of one signature. `text` ends with a newline and has no control character but that;
// `name` is one. Errors: kInvalid; what the signer says.
Result<std::string> sign_note(std::string_view text, std::string_view name, Signer& signer);

}  // namespace polder::trust
