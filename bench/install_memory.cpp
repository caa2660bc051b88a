// What fetching and verifying a large blob costs in memory: a first version in full, then a second
// that shares nine tenths of its chunks with it.
//
//   install_memory prepare FOLDER [MEGABYTES]   makes FOLDER/repository and FOLDER/refs
//   install_memory install FOLDER [URL]         fetches from there, or from a server of it, into
//                                               FOLDER/device
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

#include "agent/blob_store.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/http.h"
#include "trust/chunks.h"

namespace {

using namespace polder;

int complain(const std::string& message) {
  return std::fprintf(stderr, "%s\n", message.c_str()), 1;
}

// "RssAnon:\t    9600 kB" of /proc/self/status.
long status_kb(const char* name) {
  const auto text = read_kernel_text("/proc/self/status");
  const std::size_t at = text.ok() ? text->find(name) : std::string::npos;
  return at == std::string::npos ? 0
                                 : std::atol(text->c_str() + text->find_first_of("0123456789", at));
}

void put(const std::string& folder, const agent::BlobRef& ref, const std::string& bytes) {
  const auto store = [&](const trust::Sha256& digest, const std::string& content) {
    const std::string path = folder + "/repository/" + agent::blob_place(digest);
    (void)make_folders(path.substr(0, path.rfind('/'))).ok();
    std::ofstream(path, std::ios::binary) << content;
  };
  store(ref.sha256, bytes);
  store(*ref.index, trust::ChunkIndex::of(bytes).bytes());
  std::ofstream(folder + "/refs", std::ios::app)
      << trust::hex(ref.sha256) << ' ' << ref.bytes << ' ' << trust::hex(*ref.index) << ' '
      << ref.index_bytes << '\n';
}

int prepare(const std::string& folder, std::size_t megabytes) {
  if (!make_folders(folder).ok()) return complain("cannot make " + folder);
  std::ofstream(folder + "/refs");
  std::mt19937_64 random(1);
  std::string bytes(megabytes * 1'000'000, 0);
  const auto fill = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i + 8 <= to; i += 8) {
      const std::uint64_t number = random();
      std::copy_n(reinterpret_cast<const char*>(&number), 8, bytes.begin() + std::ptrdiff_t(i));
    }
  };
  fill(0, bytes.size());
  for (int version = 1; version <= 2; ++version) {
    const std::string index = trust::ChunkIndex::of(bytes).bytes();
    put(folder, {trust::sha256(bytes), bytes.size(), trust::sha256(index), index.size()}, bytes);
    fill(bytes.size() / 2, bytes.size() / 2 + bytes.size() / 10);
  }
  return 0;
}

int install(const std::string& folder, const char* url) {
  SystemClock clock;
  const SystemWallClock wall;
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<agent::BlobFetcher> fetcher;
  if (url) {
    auto opened = open_http_client({}, clock, wall);
    if (!opened.ok()) return complain(opened.error().message);
    client = std::move(*opened);
    fetcher = std::make_unique<agent::HttpBlobs>(*client, url);
  } else {
    fetcher = std::make_unique<agent::FolderBlobs>(folder + "/repository");
  }
  auto storage = DiskStorage::at(folder + "/device");
  if (!storage.ok()) return complain(storage.error().message);
  auto blobs = agent::BlobStore::open(**storage);
  if (!blobs.ok()) return complain(blobs.error().message);
  std::vector<agent::BlobRef> at_hand;
  std::ifstream refs(folder + "/refs");
  for (std::string digest, index; refs >> digest;) {
    agent::BlobRef ref;
    refs >> ref.bytes >> index >> ref.index_bytes;
    const std::string raw = trust::from_hex(digest).value(),
                      raw_index = trust::from_hex(index).value();
    std::copy(raw.begin(), raw.end(), ref.sha256.begin());
    std::copy(raw_index.begin(), raw_index.end(), ref.index.emplace().begin());
    long peak_kb = 0, calls = 0;
    const agent::FetchProgress progress = [&](std::uint64_t, std::uint64_t) {
      if (++calls % 64 == 0) peak_kb = std::max(peak_kb, status_kb("RssAnon:"));
      return Status();
    };
    agent::FetchCounts counts;
    const std::int64_t start_ns = monotonic_ns();
    const Status done = blobs->fetch(ref, at_hand, *fetcher, progress, &counts);
    if (!done.ok()) return complain(done.error().message);
    const double fetch_s = double(monotonic_ns() - start_ns) / 1e9;
    const Status verified = blobs->verify(ref);
    if (!verified.ok()) return complain(verified.error().message);
    std::printf(
        "%s: fetched %s in %lu requests, reused %s, resumed %s, %.1f s; anonymous memory at "
        "most %ld kB, resident at most %ld kB\n",
        bytes_text(ref.bytes).c_str(), bytes_text(counts.fetched_bytes).c_str(),
        static_cast<unsigned long>(counts.requests), bytes_text(counts.reused_bytes).c_str(),
        bytes_text(counts.resumed_bytes).c_str(), fetch_s, std::max(peak_kb, status_kb("RssAnon:")),
        status_kb("VmHWM:"));
    at_hand.push_back(ref);
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string verb = count >= 3 ? words[1] : "";
  if (verb == "prepare")
    return prepare(words[2], count > 3 ? std::strtoul(words[3], nullptr, 10) : 1000);
  if (verb == "install") return install(words[2], count > 3 ? words[3] : nullptr);
  return complain("usage: install_memory prepare FOLDER [MEGABYTES] | install FOLDER [URL]");
}
