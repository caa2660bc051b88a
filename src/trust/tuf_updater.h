// The client of a TUF repository: brings the verifier (tuf_trusted_set.h) what it asks for, from
// where the repository is and from what an earlier update has stored, and stores what was verified.
//
//   Updater updater(fetcher, store, now_s);
//   TRY(updater.refresh());
//   TRY_VALUE(const Target target, updater.find("people.plan"));
//   TRY(updater.download(target, [&](std::string_view bytes) { return file->write(bytes); }));
//
// Nothing is stored before it is verified, and one file at a time, so an update may be cut off
// anywhere and begin again.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trust/tuf_trusted_set.h"

namespace polder::trust::tuf {

using Sink = std::function<Status(std::string_view bytes)>;

// Where the repository is. Names are relative URLs: "3.root.json", "people/12ab.a.plan"; every
// character but letters, digits and -._~ is percent-encoded in them, '/' between folders aside.
class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // The whole file. Errors: kNotFound only when the repository says that it has no such file;
  // kExhausted as soon as there are more bytes than the cap; kUnavailable, kTimeout, kDenied, kIo.
  virtual Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) = 0;
  // Piece by piece. Errors: as above, and those of the sink at once.
  virtual Status fetch_target(const std::string& name, std::int64_t cap_bytes,
                              const Sink& sink) = 0;
};

// What is trusted, on the device. Names are those of files and hold no '/'.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  // Errors: kNotFound; others are taken as if it were not there, but for root.json.
  virtual Result<std::string> read(const std::string& name, std::size_t cap_bytes) = 0;
  // All or nothing, and there to stay. On an error the update ends.
  virtual Status replace(const std::string& name, std::string_view bytes) = 0;
  // Fine when it is not there.
  virtual Status remove(const std::string& name) = 0;
};

// A target that an authorised role lists.
struct Target {
  std::string path, role;
  TargetFile file;
};

// Holds the bytes of a target against what is listed, as they come.
class TargetCheck {
 public:
  // Errors: kCorrupt when no hash is of a known kind.
  static Result<TargetCheck> start(const Target& target);
  // Errors: kCorrupt beyond the listed length.
  Status update(std::string_view bytes);
  // Errors: kCorrupt for another length or hash. The check may not be used after it.
  Status finish();

 private:
  explicit TargetCheck(const Target& target) : target_(target) {}
  Target target_;
  std::int64_t size_ = 0;
  std::optional<Sha256Stream> sha256_;
  std::optional<Sha512Stream> sha512_;
};

// A name as a relative URL, `keep` left as it is.
std::string percent_encoded(std::string_view text, std::string_view keep = {});
// The name of a role's file in a MetadataStore: "people.json".
std::string stored_name(std::string_view role);
// The name of a target's file in the repository: "people/HASH.a.plan". Errors: kDenied for a path
// that leads elsewhere ("..", "/"); kCorrupt when no hash is of a known kind.
Result<std::string> target_name(const Target& target, bool consistent_snapshot);

// One update, at one time. Not thread-safe.
class Updater {
 public:
  // `now_s`: seconds since 1970. Borrows the fetcher and the store.
  Updater(Fetcher& fetcher, MetadataStore& store, std::int64_t now_s)
      : fetcher_(&fetcher), store_(&store), now_s_(now_s) {}

  // 5.2 to 5.6.6. Errors: those of TrustedSet, Fetcher and MetadataStore; kNotFound when the store
  // has no root.json or the repository no timestamp; kCorrupt when it lacks a file that signed
  // metadata list.
  Status refresh();
  // 5.6.7, after refresh(). Loads delegated roles as they are needed. Errors: kNotFound only when
  // all roles that are trusted for the path were read and none lists it; those of refresh().
  Result<Target> find(std::string_view target_path);
  // Paths of all targets below a folder ("people/"), in order: where nothing says which to look
  // for. Loads every role that may be trusted for some there. Errors: kExhausted above
  // kMaxListedRoles; those of refresh().
  Result<std::vector<std::string>> list(std::string_view folder);
  // 5.7. What the sink gets is verified only when this returns no error.
  Status download(const Target& target, const Sink& sink);

  // After refresh().
  const TrustedSet& trusted() const { return *set_; }

 private:
  Status update_roots();
  Status update_timestamp();
  Status update_snapshot();
  Status update_targets(const std::string& role, const std::string& delegator);
  Result<std::string> fetch(std::string_view role, const MetaFile& meta, std::size_t cap_bytes);

  Fetcher* fetcher_;
  MetadataStore* store_;
  std::int64_t now_s_;
  std::optional<TrustedSet> set_;
};

}  // namespace polder::trust::tuf
