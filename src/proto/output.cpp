#include "proto/output.h"

#include "output_generated.h"
#include "proto/wire.h"

namespace polder::proto {
namespace {

namespace wire = output_wire;

// --- caps: the same for what is sent and what is received ---

Status check_size(std::string_view what, std::size_t size, std::size_t most) {
  if (size <= most) return {};
  return fail(Code::kExhausted, "worker output: {} has {} bytes; {} at most", what, size, most);
}

Error corrupt(std::string_view what) { return fail(Code::kCorrupt, "worker output: {}", what); }

Status check_file(std::uint8_t file) {
  return file < kMaxOutputFiles ? Status() : corrupt("a file that cannot be");
}

Status check(const CreateFile& create) {
  if (create.name.empty()) return corrupt("a file without a name");
  return check_size("a name", create.name.size(), kMaxOutputNameBytes);
}

Status check(const WriteFile& write) {
  TRY(check_file(write.file));
  if (write.bytes.empty() || write.offset > kMaxOutputOffset)
    return corrupt("nothing to write, or a place beyond any file");
  return check_size("a piece", write.bytes.size(), kMaxPieceBytes);
}

Status check(const CommitFile& commit) { return check_file(commit.file); }

// --- to bytes ---

auto write(Builder& to, const CreateFile& create) {
  return wire::CreateCreateFile(to, to.CreateString(create.name), create.has_lines);
}

auto write(Builder& to, const WriteFile& from) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from.bytes.data());
  return wire::CreateWriteFile(to, from.file, from.offset,
                               to.CreateVector(bytes, from.bytes.size()));
}

auto write(Builder& to, const CommitFile& commit) {
  return wire::CreateCommitFile(to, commit.file);
}

template <class T>
wire::Body body_type(Offset<T>) {
  return wire::BodyTraits<T>::enum_value;
}

template <class T>
Result<std::string> encode_one(const T& message) {
  TRY(check(message));
  Builder to;
  const auto body = write(to, message);
  wire::FinishMessageBuffer(to, wire::CreateMessage(to, body_type(body), body.Union()));
  TRY(check_size("it", to.GetSize(), kMaxOutputMessageBytes));
  return std::string(reinterpret_cast<const char*>(to.GetBufferPointer()), to.GetSize());
}

// --- from bytes ---

CreateFile read(const wire::CreateFile& from) { return {from.name()->str(), from.has_lines()}; }

WriteFile read(const wire::WriteFile& from) {
  const auto& bytes = *from.bytes();
  return {from.file(), from.offset(),
          std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

CommitFile read(const wire::CommitFile& from) { return {from.file()}; }

template <class T>
Result<ToOutput> decode_one(const wire::Message& message) {
  auto body = read(*static_cast<const T*>(message.body()));
  TRY(check(body));
  return ToOutput(std::move(body));
}

}  // namespace

Result<std::string> encode(const ToOutput& message) {
  return std::visit([](const auto& body) { return encode_one(body); }, message);
}

Result<ToOutput> decode_output(std::string_view bytes) {
  TRY(check_size("it", bytes.size(), kMaxOutputMessageBytes));
  const VerifiedAs<wire::Message> verified(bytes, wire::VerifyMessageBuffer, wire::GetMessage);
  if (!verified.message) return corrupt("not a message of this protocol");
  const wire::Message& message = *verified.message;
  switch (message.body_type()) {
    case wire::Body::CreateFile: return decode_one<wire::CreateFile>(message);
    case wire::Body::WriteFile: return decode_one<wire::WriteFile>(message);
    case wire::Body::CommitFile: return decode_one<wire::CommitFile>(message);
    default: return corrupt("not one of these messages");
  }
}

}  // namespace polder::proto
