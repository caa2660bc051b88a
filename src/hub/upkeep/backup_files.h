// The files of a backup, in the clear or sealed with a passphrase: written one by one, and read
// again only when all of them are what was written.
//
//   TRY_VALUE(BackupWriter writer, BackupWriter::begin(folder, passphrase));
//   TRY(writer.add("/var/lib/polder-hub/ca.pem", "ca.pem"));
//   TRY(writer.finish());
//
//   TRY_VALUE(const BackupReader reader, BackupReader::open(folder, passphrase));
//   TRY_VALUE(const auto size, reader.check());
//   TRY(reader.copy_to("/var/lib/polder-hub", {"ca.pem"}));
//
// SHA256SUMS lists all files as they lie there, for `sha256sum --check`. Where there is a
// passphrase each one is sealed (trust/sealed_file.h) under a key of its name that passphrase.json
// tells how to make (trust/passphrase_keys.h), and SHA256SUMS.sealed is the list itself but for its
// last line, which is of that file: without the passphrase nobody makes another list, so none of
// them is changed, taken away, put in another one's place or brought back from another backup. In
// the clear the sums find damage alone.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "trust/digest.h"
#include "trust/file_digest.h"
#include "trust/passphrase_keys.h"

namespace polder::hub {

struct BackupSize {
  std::uint64_t files = 0, bytes = 0;
};

// Not thread-safe. Errors of all: those of files.
class BackupWriter {
 public:
  // Into an empty folder. Without a passphrase: in the clear.
  static Result<BackupWriter> begin(std::string folder, std::string_view passphrase);
  // A file as it is now, under its name there. Errors: kNotFound.
  Status add(const std::string& path, const std::string& name);
  // Writes the sums, which come last.
  Status finish();
  const BackupSize& size() const { return size_; }

 private:
  explicit BackupWriter(std::string folder) : folder_(std::move(folder)) {}
  void note(const std::string& name, const trust::FileDigest& file);

  std::string folder_, sums_;
  std::optional<trust::PassphraseKeys> keys_;
  BackupSize size_;
};

// Not thread-safe. Errors of all: kCorrupt, naming the file, for what is not as it was written;
// those of files.
class BackupReader {
 public:
  // Errors: kNotFound where no backup that is whole is; kDenied for another passphrase, for one
  // that is missing, and for one of a backup in the clear, which anybody could have made.
  static Result<BackupReader> open(std::string folder, std::string_view passphrase);
  // SHA-256 of the list, without the line of its sealed copy: of all that is in it.
  const std::string& digest() const { return digest_; }
  std::size_t count() const { return sums_.size(); }
  bool has(const std::string& name) const { return sums_.contains(name); }
  // A small file, held to its sum. Errors: kExhausted above `cap_bytes`.
  Result<std::string> read(const std::string& name, std::size_t cap_bytes) const;
  // Holds every file to its sum.
  Result<BackupSize> check() const;
  // All of them but those `without`, in the clear.
  Status copy_to(const std::string& folder, const std::set<std::string>& without) const;

 private:
  explicit BackupReader(std::string folder) : folder_(std::move(folder)) {}
  Status read_sums(std::string_view sums);
  Status unlock(std::string_view passphrase, std::string_view sums);
  Status copy(const std::string& name, const std::string& to) const;
  Error changed(const std::string& name, const trust::Sha256& found) const;
  std::string path_of(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_, digest_;
  std::map<std::string, std::string> sums_;  // digest by name
  std::optional<trust::PassphraseKeys> keys_;
};

}  // namespace polder::hub
