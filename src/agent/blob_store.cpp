#include "agent/blob_store.h"

#include <algorithm>

#include "agent/blob_download.h"
#include "agent/piece_source.h"
#include "base/fail.h"
#include "base/text.h"

namespace polder::agent {

namespace {

using trust::Sha256;

constexpr char kBlobFolder[] = "blobs", kPartialFolder[] = "blobs/partial";

// Of the file with that name; nothing when it is not there.
Result<std::optional<std::uint64_t>> size_of(Storage& storage, const std::string& name) {
  auto file = storage.open(name);
  if (!file.ok() && file.error().code == Code::kNotFound) return std::optional<std::uint64_t>();
  if (!file.ok()) return std::move(file).error();
  TRY_VALUE(const std::uint64_t size, (*file)->size());
  return std::optional(size);
}

// The digest that a name consists of.
std::optional<Sha256> digest_of(std::string_view name) {
  Sha256 digest{};
  const auto bytes = trust::from_hex(name);
  if (!bytes.ok() || bytes->size() != digest.size()) return {};
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return trust::hex(digest) == name ? std::optional(digest) : std::nullopt;
}

// Fine when the repository has not got it: the blob comes all the same. Errors: those that the blob
// would meet as well.
Status fetch_index(BlobStore& store, const BlobRef& index, BlobFetcher& fetcher,
                   const FetchProgress& progress, FetchCounts& counts) {
  Status fetched = store.fetch(index, {}, fetcher, progress, &counts);
  const Code code = fetched.ok() ? Code::kNotFound : fetched.error().code;
  if (code == Code::kNotFound || code == Code::kCorrupt) return {};
  return fetched;
}

}  // namespace

std::vector<BlobRef> needed_blobs(const trust::Manifest& manifest,
                                  std::span<const trust::Artifact* const> chosen) {
  std::vector<BlobRef> all;
  std::set<Sha256> seen;
  const auto add = [&](const Sha256& digest) {
    const trust::Blob* blob = manifest.find_blob(digest);
    if (blob == nullptr || !seen.insert(digest).second) return;
    BlobRef ref{digest, std::uint64_t(blob->bytes), {}, 0};
    if (const trust::Blob* index = blob->chunks ? manifest.find_blob(*blob->chunks) : nullptr;
        index) {
      ref.index = blob->chunks;
      ref.index_bytes = std::uint64_t(index->bytes);
    }
    all.push_back(ref);
  };
  for (const trust::Artifact* artifact : chosen) {
    add(artifact->blob);
    if (!artifact->sealed || !artifact->sealed->chunks || all.back().sha256 != artifact->blob)
      continue;
    const trust::Blob* index = manifest.find_blob(*artifact->sealed->chunks);
    if (index == nullptr) continue;
    all.back().inside = {artifact->sealed->file_id, *artifact->sealed->chunks,
                         std::uint64_t(index->bytes)};
  }
  if (manifest.pipeline) {
    add(manifest.pipeline->blob);
    for (const auto& [name, digest] : manifest.pipeline->files) add(digest);
  }
  for (const trust::Golden& golden : manifest.goldens) {
    const auto is_its = [&](const trust::Artifact* a) { return a->name == golden.artifact; };
    if (std::none_of(chosen.begin(), chosen.end(), is_its)) continue;
    for (const trust::GoldenTensor& tensor : golden.inputs) add(tensor.blob);
    for (const trust::GoldenTensor& tensor : golden.outputs) add(tensor.blob);
  }
  return all;
}

Status check_room(Storage& storage, std::uint64_t needed_bytes, std::uint64_t margin_bytes) {
  TRY_VALUE(const std::uint64_t free, storage.free_bytes());
  if (free >= needed_bytes && free - needed_bytes >= margin_bytes) return {};
  return fail(Code::kExhausted,
              "{} are needed and {} must stay free; {} are free: free {} more on the device, or "
              "give its data folder a larger disk",
              bytes_text(needed_bytes), bytes_text(margin_bytes), bytes_text(free),
              bytes_text(needed_bytes + margin_bytes - free));
}

std::string BlobStore::name(const Sha256& blob) {
  return fmt::format("{}/{}", kBlobFolder, trust::hex(blob));
}

Result<BlobStore> BlobStore::open(Storage& storage) {
  TRY(storage.make_folder(kPartialFolder));
  return BlobStore(storage);
}

Result<bool> BlobStore::has(const BlobRef& blob) {
  TRY_VALUE(const auto size, size_of(*storage_, name(blob.sha256)));
  return size == blob.bytes;
}

Status BlobStore::fetch(const BlobRef& blob, std::span<const BlobRef> at_hand, BlobFetcher& fetcher,
                        const FetchProgress& progress, FetchCounts* counts,
                        const ContentKeys& keys) {
  FetchCounts own;
  FetchCounts& count = counts ? *counts : own;
  TRY_VALUE(const bool is_there, has(blob));
  if (is_there) return {};
  if (blob.bytes > std::uint64_t(trust::kMaxBlobBytes)) {
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted", name(blob.sha256),
                blob.bytes, trust::kMaxBlobBytes);
  }
  for (const BlobRef& index : indices_of(blob))
    TRY(fetch_index(*this, index, fetcher, progress, count));
  TRY(fetch_pieces(blob, at_hand, fetcher, progress, count, keys));
  unnamed_bytes_ += blob.bytes;
  return unnamed_bytes_ < kUnnamedBytes ? Status() : sync_names();
}

Status BlobStore::fetch_pieces(const BlobRef& blob, std::span<const BlobRef> at_hand,
                               BlobFetcher& fetcher, const FetchProgress& progress,
                               FetchCounts& count, const ContentKeys& keys) {
  if (const auto index = read_index(*storage_, blob); index.ok()) {
    const auto source = open_pieces(*storage_, blob, *index, at_hand, keys);
    BlobDownload download(*storage_, blob, &*index, progress, count);
    Status done = download.run(source.get(), fetcher);
    if (done.ok() || !download.is_wrong()) return done;
  }
  const std::uint64_t resumed_before = count.resumed_bytes;
  BlobDownload download(*storage_, blob, nullptr, progress, count);
  Status done = download.run(nullptr, fetcher);
  const bool was_resumed = count.resumed_bytes > resumed_before;
  if (done.ok() || !download.is_wrong() || !was_resumed) return done;
  // What was left of an earlier fetch may be to blame.
  return BlobDownload(*storage_, blob, nullptr, progress, count).run(nullptr, fetcher);
}

Status BlobStore::sync_names() {
  unnamed_bytes_ = 0;
  // The new names first: between the two a blob may have both, never none.
  TRY(storage_->sync(kBlobFolder));
  return storage_->sync(kPartialFolder);
}

Status BlobStore::put(std::string_view bytes) {
  const Sha256 digest = trust::sha256(bytes);
  const auto there = get(digest, bytes.size());
  return there.ok() ? Status() : replace_stored(*storage_, name(digest), bytes);
}

Result<std::string> BlobStore::get(const Sha256& blob, std::size_t cap_bytes) {
  TRY_VALUE(std::string bytes, read_stored(*storage_, name(blob), cap_bytes));
  if (trust::sha256(bytes) == blob) return bytes;
  return fail(Code::kCorrupt, "{}: its bytes have the digest {}", name(blob),
              trust::hex(trust::sha256(bytes)));
}

Status BlobStore::verify(const BlobRef& blob, const Alive& alive) {
  const std::string name = BlobStore::name(blob.sha256);
  bool is_asked_to_stop = false;
  const auto check = [&]() -> Status {
    TRY_VALUE(const auto file, storage_->open(name));
    return check_stored(*file, blob, [&]() -> Status {
      Status status = alive ? alive() : Status();
      is_asked_to_stop = !status.ok();
      return status;
    });
  };
  Status checked = check();
  const bool is_damaged =
      !checked.ok() && !is_asked_to_stop &&
      (checked.error().code == Code::kCorrupt || checked.error().code == Code::kIo);
  if (!is_damaged) return checked;
  TRY(storage_->remove(name));
  TRY(storage_->sync(kBlobFolder));
  return fail(checked.error().code, "{}; it is removed, and fetched anew", checked.error().message);
}

Result<std::uint64_t> BlobStore::missing_bytes(std::span<const BlobRef> wanted) {
  std::uint64_t sum = 0;
  const auto add = [&](const BlobRef& blob) -> Status {
    TRY_VALUE(const bool is_there, has(blob));
    if (is_there) return {};
    const std::string partial = fmt::format("{}/{}", kPartialFolder, trust::hex(blob.sha256));
    TRY_VALUE(const auto size, size_of(*storage_, partial));
    sum += blob.bytes - std::min(blob.bytes, size.value_or(0));
    return {};
  };
  for (const BlobRef& blob : wanted) {
    TRY(add(blob));
    for (const BlobRef& index : indices_of(blob)) TRY(add(index));
  }
  return sum;
}

Result<std::uint64_t> BlobStore::collect(const std::set<Sha256>& keep) {
  TRY_VALUE(const std::uint64_t partial, collect_folder(kPartialFolder, keep));
  TRY_VALUE(const std::uint64_t whole, collect_folder(kBlobFolder, keep));
  return partial + whole;
}

Result<std::uint64_t> BlobStore::collect_folder(const std::string& folder,
                                                const std::set<Sha256>& keep) {
  TRY_VALUE(const auto names, storage_->list(folder, kMaxStoredBlobs));
  std::uint64_t freed = 0;
  bool is_changed = false;
  for (const std::string& entry : names) {
    const auto digest = digest_of(entry);
    const bool is_left_over = entry.ends_with(".new");  // a manifest that was not put whole
    if (!is_left_over && (!digest || keep.count(*digest) > 0)) continue;
    const std::string name = fmt::format("{}/{}", folder, entry);
    TRY_VALUE(const auto size, size_of(*storage_, name));
    TRY(storage_->remove(name));
    freed += size.value_or(0);
    is_changed = true;
  }
  if (is_changed) TRY(storage_->sync(folder));
  return freed;
}

}  // namespace polder::agent
