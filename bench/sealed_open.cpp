// sealed_open PLAN [--repeat N] [--stream-mb N]
//
// What sealing costs. Opens a plan from a mapped file and from a sealed one, each in a child
// process of its own, and prints the time and the memory that belongs to the process alone (a
// mapped plan can be dropped and read again; a decrypted one cannot). Then seals a file of N MB
// (1,000) and reads it back segment by segment, beside reading and hashing the plain file, which
// every download goes through anyhow. Files go to the temporary folder.
#include <fcntl.h>
#include <polder/model.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/machine.h"
#include "platform/file.h"
#include "platform/random_access.h"
#include "platform/temporary.h"
#include "trust/digest.h"
#include "trust/sealed_file.h"
#include "trust/signer.h"

namespace {

using namespace polder;

template <class T>
T expect(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "sealed_open: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

double ms_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

// Kilobytes of a field of /proc/self/status: RssAnon, RssFile, VmHWM, VmLck.
long status_kb(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::atol(line.c_str() + field.size() + 1);
  }
  return 0;
}

// Runs work in a child, so that its memory is its own.
void in_child(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    std::fflush(stdout);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

struct SealedPair {
  std::string path, key;
};

trust::ContentKey content_key_of(const SealedPair& sealed) {
  trust::NoPassphrase none;
  const auto decrypter = expect(trust::open_decrypter(sealed.key, none));
  const std::string path = trust::sealed_keys_path(sealed.path);
  const auto keys =
      expect(trust::SealedKeys::parse(expect(read_file(path, trust::SealedKeys::kMaxBytes)), path));
  return expect(keys.open(*decrypter));
}

Model open_sealed(const SealedPair& sealed) {
  const trust::ContentKey key = content_key_of(sealed);
  const auto file = expect(open_readable(sealed.path));
  trust::SealedFile opened = expect(trust::SealedFile::open(*file, key));
  auto memory = std::make_shared<const PrivateMemory>(expect(opened.open_all()));
  return expect(Model::open_plan(memory, memory->bytes()));
}

void report_open(const char* what, int repeat, const std::function<Model()>& open) {
  in_child([&] {
    const long anon_kb = status_kb("RssAnon");
    std::vector<double> times;
    for (int i = 0; i < repeat; ++i) {
      times.push_back(ms_of([&] { const Model model = open(); }));
    }
    std::sort(times.begin(), times.end());
    const Model model = open();
    std::printf(
        "%-26s p50 %8.2f ms  p90 %8.2f ms  own memory %7.1f MB  mapped %6.1f MB  locked "
        "%5.1f MB\n",
        what, times[times.size() / 2], times[times.size() * 9 / 10],
        double(status_kb("RssAnon") - anon_kb) / 1e3, double(status_kb("RssFile")) / 1e3,
        double(status_kb("VmLck")) / 1e3);
  });
}

void report_stream(const char* what, double megabytes, const std::function<void()>& work) {
  in_child([&] {
    const double ms = ms_of(work);
    std::printf("%-26s %8.2f s  %7.0f MB/s  peak %6.1f MB\n", what, ms / 1e3, megabytes / ms * 1e3,
                double(status_kb("VmHWM")) / 1e3);
  });
}

// Seals `plain` for one new key beside it.
SealedPair seal(const std::string& plain, const std::string& folder) {
  SealedPair sealed{folder + "/file.sealed", folder + "/device.pem"};
  trust::NoPassphrase none;
  if (::access(sealed.key.c_str(), F_OK) != 0) {
    expect(trust::create_key(sealed.key, trust::Scheme::kEcdsaP256, none));
  }
  const auto decrypter = expect(trust::open_decrypter(sealed.key, none));
  DiskStore disk;
  const auto out = expect(disk.create(sealed.path));
  const auto key = expect(trust::seal_file(*expect(open_readable(plain)), *out));
  expect(out->commit());
  trust::SealedKeys keys(key);
  expect(keys.add(key, decrypter->public_key()));
  expect(write_file_atomic(trust::sealed_keys_path(sealed.path), keys.bytes()));
  return sealed;
}

void walk_plain(const std::string& path, bool digest) {
  const auto file = expect(open_readable(path));
  trust::Sha256Stream hash;
  std::vector<char> buffer(trust::kSegmentBytes);
  for (std::uint64_t at = 0; at < file->size(); at += buffer.size()) {
    const std::size_t size = std::size_t(std::min<std::uint64_t>(buffer.size(), file->size() - at));
    expect(file->read(at, std::span(buffer).first(size)));
    if (digest) hash.update({buffer.data(), size});
  }
  (void)hash.finish();
}

void walk_sealed(const SealedPair& sealed) {
  const trust::ContentKey key = content_key_of(sealed);
  const auto file = expect(open_readable(sealed.path));
  trust::SealedFile opened = expect(trust::SealedFile::open(*file, key));
  std::vector<char> buffer(trust::kSegmentBytes);
  for (std::uint64_t i = 0; i < opened.header().segments(); ++i) {
    expect(opened.read_segment(i, std::span(buffer).first(opened.header().segment_bytes(i))));
  }
}

void stream(std::int64_t megabytes, const std::string& folder) {
  const std::string plain = folder + "/plain";
  {
    DiskStore disk;
    const auto out = expect(disk.create(plain));
    const std::string block(1'000'000, 'x');
    for (std::int64_t i = 0; i < megabytes; ++i) expect(out->write(block));
    expect(out->commit());
  }
  const double size = double(megabytes);
  report_stream("read plain", size, [&] { walk_plain(plain, false); });
  report_stream("read and SHA-256 plain", size, [&] { walk_plain(plain, true); });
  report_stream("seal, written and synced", size, [&] { seal(plain, folder); });
  const SealedPair sealed{folder + "/file.sealed", folder + "/device.pem"};
  report_stream("read sealed, by segment", size, [&] { walk_sealed(sealed); });
  report_stream("open sealed into memory", size, [&] {
    const trust::ContentKey key = content_key_of(sealed);
    const auto file = expect(open_readable(sealed.path));
    trust::SealedFile opened = expect(trust::SealedFile::open(*file, key));
    const PrivateMemory memory = expect(opened.open_all());
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::string plan;
  std::int64_t repeat = 20, megabytes = 1000;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--repeat" && i + 1 < argc) repeat = std::atoll(argv[++i]);
    else if (word == "--stream-mb" && i + 1 < argc) megabytes = std::atoll(argv[++i]);
    else plan = word;
  }
  if (plan.empty() || plan.starts_with('-') || repeat < 1 || megabytes < 0) {
    std::fputs("usage: sealed_open PLAN [--repeat N] [--stream-mb N]\n", stderr);
    return 2;
  }
  const std::string folder = std::filesystem::temp_directory_path().string() + "/sealed_open-" +
                             std::to_string(::getpid());
  expect(make_folders(folder));
  std::printf("%s\n%s, %.1f MB\n", describe_machine().text().c_str(), plan.c_str(),
              double(std::filesystem::file_size(plan)) / 1e6);
  const SealedPair sealed = seal(plan, folder);
  report_open("open plain", int(repeat), [&] { return expect(Model::open(plan)); });
  report_open("open sealed", int(repeat), [&] { return open_sealed(sealed); });
  report_open("  of it: key and header", int(repeat), [&] {
    const trust::ContentKey key = content_key_of(sealed);
    return expect(Model::open(plan));
  });
  if (megabytes > 0) stream(megabytes, folder);
  std::filesystem::remove_all(folder);
  return 0;
}
