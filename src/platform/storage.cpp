#include "platform/storage.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/text.h"

namespace polder {
namespace {

constexpr std::size_t kMaxParts = 5;
constexpr std::size_t kMaxPartBytes = 200;
constexpr std::size_t kCopyBytes = 256u << 10;
constexpr std::size_t kMaxCounterBytes = 64;
constexpr std::string_view kCounterHead = "polder counter 1: ";

bool is_part(std::string_view part) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !part.empty() && part.size() <= kMaxPartBytes && part[0] != '.' &&
         std::all_of(part.begin(), part.end(), fits);
}

}  // namespace

Status check_storage_name(std::string_view name) {
  std::string_view rest = name;
  for (std::size_t parts = 0; parts < kMaxParts; ++parts) {
    const std::size_t slash = rest.find('/');
    if (!is_part(rest.substr(0, slash))) break;
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
  return fail(Code::kInvalid,
              "'{}' is no name of stored data: up to {} parts of letters, digits, '.', '_' and '-' "
              "are expected",
              one_line(clipped(std::string(name))), kMaxParts);
}

std::string storage_folder(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

Result<std::string> read_stored(Storage& storage, const std::string& name, std::size_t cap_bytes) {
  TRY_VALUE(auto file, storage.open(name));
  TRY_VALUE(const std::uint64_t size, file->size());
  if (size > cap_bytes)
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted here", name, size,
                cap_bytes);
  std::string bytes(size, 0);
  TRY_VALUE(const std::size_t got, file->read(0, bytes));
  bytes.resize(got);
  return bytes;
}

Status copy_stored(Storage& storage, const std::string& from, const std::string& to,
                   const Alive& alive) {
  TRY_VALUE(auto source, storage.open(from));
  TRY_VALUE(auto copy, storage.create(to));
  std::string piece(kCopyBytes, 0);
  for (std::uint64_t at = 0;;) {
    if (alive) TRY(alive());
    TRY_VALUE(const std::size_t got, source->read(at, piece));
    if (got > 0) TRY(copy->write(at, std::string_view(piece).substr(0, got)));
    at += got;
    if (got < piece.size()) return copy->sync();
  }
}

Status replace_stored(Storage& storage, const std::string& name, std::string_view bytes) {
  const std::string fresh = name + ".new";
  TRY_VALUE(auto file, storage.create(fresh));
  TRY(file->write(0, bytes));
  TRY(file->sync());
  file.reset();
  TRY(storage.rename(fresh, name));
  return storage.sync(storage_folder(name));
}

Result<std::uint64_t> FileCounter::value() {
  auto text = read_stored(storage_, name_, kMaxCounterBytes);
  if (!text.ok() && text.error().code == Code::kNotFound) return std::uint64_t(0);
  if (!text.ok()) return std::move(text).error();
  std::uint64_t value = 0;
  std::string_view digits = *text;
  const bool begins = digits.starts_with(kCounterHead) && digits.ends_with('\n');
  if (begins) {
    digits = digits.substr(kCounterHead.size(), digits.size() - kCounterHead.size() - 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (read.ec == std::errc() && read.ptr == digits.data() + digits.size()) return value;
  }
  return fail(Code::kCorrupt, "{}: '{}NUMBER' and a newline are expected, '{}' is there", name_,
              kCounterHead, one_line(clipped(*text)));
}

Status FileCounter::raise(std::uint64_t to) {
  TRY_VALUE(const std::uint64_t now, value());
  if (to == now) return {};
  if (to < now)
    return fail(Code::kDenied, "{}: the counter stands at {} and does not go back to {}", name_,
                now, to);
  return replace_stored(storage_, name_, fmt::format("{}{}\n", kCounterHead, to));
}

}  // namespace polder
