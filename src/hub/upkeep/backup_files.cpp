#include "hub/upkeep/backup_files.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/sealed_file.h"

namespace polder::hub {
namespace {

constexpr char kSums[] = "SHA256SUMS", kSealedSums[] = "SHA256SUMS.sealed";
constexpr char kKeys[] = "passphrase.json";
constexpr std::size_t kMaxSumsBytes = 256u << 20;
constexpr std::uint64_t kMaxFileBytes = std::uint64_t(1) << 40;
constexpr std::size_t kDigits = 64;

std::string line_of(const trust::FileDigest& file, std::string_view name) {
  return fmt::format("{}  {}\n", trust::hex(file.sha256), name);
}

// A list without its last line where that is of the sealed list: which cannot have a line of
// itself, and needs none, as nobody changes it unseen.
std::string_view without_own_line(std::string_view sums) {
  const std::string end = fmt::format("  {}\n", kSealedSums);
  if (!sums.ends_with(end)) return sums;
  sums.remove_suffix(end.size());
  return sums.substr(0, sums.rfind('\n') + 1);
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Hashes what goes through it: the file may grow, or change, meanwhile.
class Hashing final : public OutputFile {
 public:
  explicit Hashing(OutputFile& inner) : inner_(inner) {}
  Status write(std::string_view bytes) override {
    hash_.update(bytes);
    bytes_ += bytes.size();
    return inner_.write(bytes);
  }
  Status seek(std::int64_t) override {
    return fail(Code::kUnsupported, "what is hashed is written from its beginning to its end");
  }
  Status commit() override { return inner_.commit(); }
  trust::FileDigest finish() { return {hash_.finish(), bytes_}; }

 private:
  OutputFile& inner_;
  trust::Sha256Stream hash_;
  std::uint64_t bytes_ = 0;
};

// A file under another name: in the clear as it is, sealed with a key. What has come there.
Result<trust::FileDigest> copy_file(const std::string& from, const std::string& to,
                                    const std::optional<trust::ContentKey>& key) {
  TRY(make_folders(parent_of(to)));
  DiskStore disk;
  TRY_VALUE(const auto output, disk.create(to));
  Hashing hashing(*output);
  if (key) {
    TRY_VALUE(const std::unique_ptr<ReadableFile> plain, open_readable(from));
    TRY(trust::seal_file(*plain, hashing, *key));
  } else {
    const auto copied = stream_file(from, kMaxFileBytes,
                                    [&](std::string_view piece) { return hashing.write(piece); });
    if (!copied.ok()) return copied.error();
  }
  TRY(output->commit());
  return hashing.finish();
}

Result<std::optional<trust::ContentKey>> key_of(const std::optional<trust::PassphraseKeys>& keys,
                                                const std::string& name) {
  if (!keys) return std::optional<trust::ContentKey>();
  TRY_VALUE(trust::ContentKey key, keys->of(name));
  return std::optional(std::move(key));
}

}  // namespace

// --- Writing -------------------------------------------------------------------------------------

Result<BackupWriter> BackupWriter::begin(std::string folder, std::string_view passphrase) {
  BackupWriter writer(std::move(folder));
  if (passphrase.empty()) return writer;
  TRY_VALUE(writer.keys_, trust::PassphraseKeys::create(passphrase));
  const std::string path = writer.folder_ + "/" + kKeys;
  TRY(write_file_atomic(path, writer.keys_->text()));
  TRY_VALUE(const trust::FileDigest written, trust::digest_file(path, kMaxFileBytes));
  writer.note(kKeys, written);
  return writer;
}

Status BackupWriter::add(const std::string& path, const std::string& name) {
  TRY_VALUE(const auto key, key_of(keys_, name));
  TRY_VALUE(const trust::FileDigest copied, copy_file(path, folder_ + "/" + name, key));
  note(name, copied);
  return {};
}

Status BackupWriter::finish() {
  const std::string path = folder_ + "/" + kSums;
  if (!keys_) return write_file_atomic(path, sums_);
  // The list that counts is there when the other one, which has a line of it, says that all is.
  const std::string draft = path + ".draft";
  TRY(write_file_atomic(draft, sums_));
  TRY_VALUE(const auto key, key_of(keys_, kSums));
  TRY_VALUE(const trust::FileDigest sealed, copy_file(draft, folder_ + "/" + kSealedSums, key));
  TRY(remove_file(draft));
  return write_file_atomic(path, sums_ + line_of(sealed, kSealedSums));
}

void BackupWriter::note(const std::string& name, const trust::FileDigest& file) {
  sums_ += line_of(file, name);
  ++size_.files, size_.bytes += file.bytes;
}

// --- Reading -------------------------------------------------------------------------------------

Result<BackupReader> BackupReader::open(std::string folder, std::string_view passphrase) {
  BackupReader reader(std::move(folder));
  const auto text = read_file(reader.path_of(kSums), kMaxSumsBytes);
  if (!text.ok() && text.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "{}: no backup that is whole is here (no {})", reader.folder_,
                kSums);
  if (!text.ok()) return text.error();
  const std::string_view sums = without_own_line(*text);
  reader.digest_ = trust::hex(trust::sha256(sums));
  TRY(reader.read_sums(sums));
  const bool is_sealed = reader.has(kKeys);
  if (is_sealed && passphrase.empty())
    return fail(Code::kDenied,
                "{}: is encrypted: give the file of its passphrase, "
                "--passphrase-file FILE",
                reader.folder_);
  if (!is_sealed && !passphrase.empty())
    return fail(Code::kDenied,
                "{}: is not encrypted, so anybody may have made it: where you know whose it is, "
                "leave --passphrase-file (POLDER_PASSPHRASE_FILE) away",
                reader.folder_);
  if (is_sealed) TRY(reader.unlock(passphrase, sums));
  return reader;
}

Status BackupReader::read_sums(std::string_view rest) {
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string name(line.size() > kDigits + 2 ? line.substr(kDigits + 2) : "");
    const bool is_below =
        !name.empty() && name[0] != '/' && ("/" + name + "/").find("/../") == std::string::npos;
    if (!is_below) return fail(Code::kCorrupt, "{}: 'DIGEST  NAME' expected", path_of(kSums));
    sums_.emplace(name, line.substr(0, kDigits));
  }
  return {};
}

// That whoever wrote the list has the passphrase.
Status BackupReader::unlock(std::string_view passphrase, std::string_view sums) {
  TRY_VALUE(const std::string ways, read(kKeys, trust::PassphraseKeys::kMaxTextBytes));
  TRY_VALUE(keys_, trust::PassphraseKeys::parse(ways, path_of(kKeys), passphrase));
  TRY_VALUE(const auto file, open_readable(path_of(kSealedSums)));
  TRY_VALUE(const trust::ContentKey key, keys_->of(kSums));
  auto sealed = trust::SealedFile::open(*file, key);
  if (!sealed.ok() && sealed.error().code == Code::kDenied)
    return fail(Code::kDenied,
                "{}: this passphrase does not open it: give that with which it was made (or {} or "
                "{} was changed: take another backup)",
                folder_, kKeys, kSealedSums);
  if (!sealed.ok()) return std::move(sealed).error();
  TRY_VALUE(const PrivateMemory list, sealed->open_all(kMaxSumsBytes));
  const std::string_view own(reinterpret_cast<const char*>(list.bytes().data()),
                             list.bytes().size());
  if (own == sums) return {};
  return fail(Code::kCorrupt, "{}: is not the list that was sealed: take another backup",
              path_of(kSums));
}

Error BackupReader::changed(const std::string& name, const trust::Sha256& found) const {
  return fail(Code::kCorrupt,
              "{}: is not what was backed up (SHA-256 {} expected, {} found): take another "
              "backup",
              path_of(name), sums_.at(name), trust::hex(found));
}

Result<std::string> BackupReader::read(const std::string& name, std::size_t cap_bytes) const {
  TRY_VALUE(std::string bytes, read_file(path_of(name), cap_bytes));
  if (const auto found = trust::sha256(bytes); trust::hex(found) != sums_.at(name))
    return changed(name, found);
  if (!keys_) return bytes;
  TRY_VALUE(const auto file, open_readable(path_of(name)));
  TRY_VALUE(const trust::ContentKey key, keys_->of(name));
  TRY_VALUE(trust::SealedFile sealed, trust::SealedFile::open(*file, key));
  TRY_VALUE(const PrivateMemory plain, sealed.open_all(cap_bytes));
  return std::string(reinterpret_cast<const char*>(plain.bytes().data()), plain.bytes().size());
}

Result<BackupSize> BackupReader::check() const {
  BackupSize size;
  for (const auto& [name, digest] : sums_) {
    const auto file = trust::digest_file(path_of(name), kMaxFileBytes);
    if (!file.ok() && file.error().code == Code::kNotFound)
      return fail(Code::kCorrupt, "{}: is missing from the backup: take another one",
                  path_of(name));
    if (!file.ok()) return file.error();
    if (trust::hex(file->sha256) != digest) return changed(name, file->sha256);
    ++size.files, size.bytes += file->bytes;
  }
  return size;
}

Status BackupReader::copy(const std::string& name, const std::string& to) const {
  if (!keys_) {
    TRY_VALUE(const trust::FileDigest copied, copy_file(path_of(name), to, {}));
    return trust::hex(copied.sha256) == sums_.at(name) ? Status()
                                                       : Status(changed(name, copied.sha256));
  }
  TRY_VALUE(const auto file, open_readable(path_of(name)));
  TRY_VALUE(const trust::ContentKey key, keys_->of(name));
  TRY_VALUE(trust::SealedFile sealed, trust::SealedFile::open(*file, key));
  TRY(make_folders(parent_of(to)));
  DiskStore disk;
  TRY_VALUE(const auto output, disk.create(to));
  TRY(sealed.write_to(*output));
  return output->commit();
}

Status BackupReader::copy_to(const std::string& folder,
                             const std::set<std::string>& without) const {
  for (const auto& [name, digest] : sums_)
    if (name != kKeys && !without.contains(name)) TRY(copy(name, folder + "/" + name));
  return {};
}

}  // namespace polder::hub
