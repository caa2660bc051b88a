#include "trust/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"

namespace polder::trust {

namespace {

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

}  // namespace

std::string Checkpoint::text() const {
  return fmt::format("{}\n{}\n{}\n", origin, size,
                     base64({reinterpret_cast<const char*>(root.data()), root.size()}));
}

Result<Checkpoint> Checkpoint::parse(std::string_view text, std::string_view where) {
  std::string_view rest = text;
  Checkpoint checkpoint;
  checkpoint.origin = next_line(rest);
  const std::string_view size = next_line(rest);
  const auto root = from_base64(next_line(rest));
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), checkpoint.size);
  if (!is_note_name(checkpoint.origin) || error != std::errc() ||
      end != size.data() + size.size() || !root || root->size() != checkpoint.root.size()) {
    return fail(Code::kCorrupt,
                "{}: a checkpoint expected: a line each with the log's name, its size and the "
                "root hash in base64",
                where);
  }
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  // Also a size with a leading zero and anything after the third line.
  if (checkpoint.text() != text) {
    return fail(Code::kCorrupt, "{}: not written as checkpoints are: {} lines expected", where, 3);
  }
  return checkpoint;
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, Signer& signer) {
  return sign_note(checkpoint.text(), checkpoint.origin, signer);
}

Result<Checkpoint> open_checkpoint(std::string_view note, std::span<const PublicKey> keys,
                                   std::string_view where) {
  TRY_VALUE(const Note parsed, Note::parse(note, where));
  TRY_VALUE(Checkpoint checkpoint, Checkpoint::parse(parsed.text, where));
  if (Status status = parsed.verify(checkpoint.origin, keys); !status.ok()) {
    return std::move(status).error().at(where);
  }
  return checkpoint;
}

}  // namespace polder::trust
