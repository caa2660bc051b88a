// A hub's folder: its keys and certificates, its database, its audit log; and the hub put together
// from them.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hub/hub.h"
#include "hub/rollouts/timer.h"
#include "platform/clock.h"
#include "platform/file_lock.h"

namespace polder::hub {

struct HomeOptions {
  std::string folder;
  std::string database;                              // empty: FOLDER/hub.db
  std::vector<std::string> hosts;                    // names and addresses of the server
  std::int64_t certificate_s = kDeviceCertificateS;  // of devices
  std::int64_t poll_s = kPollS;
  bool is_clock_right = false;  // whatever the last publication says
};

// Where a hub without --folder keeps everything.
std::string default_folder();
// As open_database() takes it.
std::string database_of(const HomeOptions& options);
// The folder, held by who serves it or changes it. Errors: kUnavailable while another does; kDenied
// where a change of all of it was cut off (hub/upkeep/folder.h), but for who goes on with that.
enum class Unfinished : std::uint8_t { kRefused, kGoesOn };
Result<FileLock> lock_folder(const std::string& folder, Unfinished how = Unfinished::kRefused);

// A token of an admin, shown once; also while a hub serves the folder. Errors: kNotFound where no
// hub has been; those of the database.
Result<std::string> make_admin_token(const HomeOptions& options);

// Of the one that serves the folder.
class Home {
 public:
  // Makes what is not there. Errors: kUnavailable while another serves it; kDenied; kIo;
  // kIncompatible for the database of a newer hub; kInvalid for keys and certificates that do not
  // belong together.
  static Result<std::unique_ptr<Home>> open(const HomeOptions& options);

  const Hub& hub() const { return *hub_; }
  std::string authority_file() const { return folder_ + "/ca.pem"; }
  std::string certificate_file() const { return folder_ + "/server.pem"; }
  std::string key_file() const { return folder_ + "/server-key.pem"; }
  // SHA-256 of the authority's certificate, as OpenSSL prints it: "AB:CD:...".
  const std::string& fingerprint() const { return fingerprint_; }
  // Makes the server's certificate anew. Errors: those of open().
  Status renew_certificate();
  // Whether anybody may do anything here.
  Result<bool> has_people() const;

 private:
  Home(const HomeOptions& options, FileLock lock)
      : folder_(options.folder), lock_(std::move(lock)), hosts_(options.hosts) {}
  Status make_certificates(const HomeOptions& options);
  Result<bool> has_been() const;
  Status open_store(const HomeOptions& options);
  Status open_repository(const HomeOptions& options);

  const std::string folder_;
  const FileLock lock_;
  const SystemWallClock wall_;
  const std::vector<std::string> hosts_;
  std::string fingerprint_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Recorder> recorder_;  // ends before what it writes to
  std::unique_ptr<OnlineRepository> repository_;
  std::unique_ptr<Uploads> uploads_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<RolloutTimer> rollouts_;
};

// On stderr.
void log(const std::string& text);

}  // namespace polder::hub
