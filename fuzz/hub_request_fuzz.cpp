// What the hub's API is asked, by an administrator and by a device: METHOD TARGET, a line's end,
// the body. Whatever it is, it has an answer of HTTP's that says what it is, and is no trouble of
// the hub's own.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "hub/api/people.h"
#include "hub/api/router.h"
#include "hub/store/schema.h"
#include "trust/testing.h"

namespace {

using namespace polder;
using namespace polder::hub;

template <class T>
T must(Result<T> result) {
  if (!result.ok()) std::abort();
  return std::move(*result);
}

// Lives as long as the process; its database is in memory's file system where there is one.
struct World {
  World() {
    std::filesystem::create_directories(folder);
    auto database = must(open_database((folder / "hub.db").string()));
    if (!database->run("PRAGMA synchronous = OFF").ok() || !migrate(*database).ok()) std::abort();
    admin = "Bearer " +
            must(add_person_token(*database,
                                  {.name = "a", .role = Role::kAdmin, .created_by = "fuzz"}, 1))
                .text;
    writer = std::make_unique<Writer>(std::move(database));
    readers = std::make_unique<Readers>((folder / "hub.db").string());
    recorder = std::make_unique<Recorder>(
        (folder / "audit.log").string(),
        must(trust::AuditLog::open((folder / "audit.log").string(), {"fuzz", "fuzz", 1})),
        std::make_unique<trust::TestSigner>("audit"), *writer, *readers, [](const std::string&) {});
    auto key = std::make_unique<trust::TestSigner>("authority");
    const std::string pem = must(make_authority(*key, kNowS));
    authority = std::make_unique<Authority>(std::move(key), pem);
    trust::TestSigner device("device");
    certificate = must(authority->issue(device.public_key(), "cam-1", kNowS));
    const std::string serial = must(trust::read_certificate(certificate)).serial;
    const Status kept = writer->write([&](Database& open) -> Status {
      if (Status done = open.run("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, 1)",
                                 {"cam-1", device.public_key().id()});
          !done.ok())
        return done;
      return open.run(
          "INSERT INTO certificate (serial, device, pem, issued_s, until_s) VALUES (?, ?, ?, 1, 2)",
          {serial, "cam-1", certificate});
    });
    if (!kept.ok()) std::abort();
    repository = must(
        OnlineRepository::open(folder.string(), std::make_unique<trust::TestSigner>("online")));
    uploads = must(Uploads::open((folder / "uploads").string()));
    const auto trouble = [](const std::string&) { std::abort(); };
    publisher = std::make_unique<Publisher>(
        Publisher::Parts{*repository, *uploads, *writer, *readers, *recorder, wall, trouble});
    hub = std::make_unique<Hub>(Hub{*writer, *readers, *authority, *recorder, *repository, *uploads,
                                    *publisher, wall, trouble});
  }
  ~World() {
    recorder.reset();
    std::filesystem::remove_all(folder);
  }

  static constexpr std::int64_t kNowS = 1'900'000'000;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("polder-hub-fuzz-" + std::to_string(::getpid()));
  ManualWallClock wall{kNowS};
  std::unique_ptr<Writer> writer;
  std::unique_ptr<Readers> readers;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<OnlineRepository> repository;
  std::unique_ptr<Uploads> uploads;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Hub> hub;
  std::string admin, certificate;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  ManualClock clock;
  Router router(*world.hub, clock);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t space = line.find(' ');
  Request request{.id = "f", .method = std::string(line.substr(0, space))};
  if (space != line.npos) request.target = line.substr(space + 1);
  if (line.size() < size) request.body = text.substr(line.size() + 1);
  if (!request.body.empty()) request.content_type = "application/json";
  if (request.target.starts_with("/v1/uploads/")) request.content_type = "application/octet-stream";
  request.authorization = world.admin;
  request.certificate = world.certificate;
  const Response response = router.answer(request);
  if (response.status < 200 || response.status >= 500) std::abort();
  if (response.status != 204 && response.status != 304 &&
      !trust::Json::parse(response.body, "response").ok())
    std::abort();
  if (response.status >= 400 && response.content_type != "application/problem+json") std::abort();
  return 0;
}
