// Where polderd lives on this machine: its configuration, folder, repository, records, programs.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/blob_fetcher.h"
#include "agent/config.h"
#include "agent/device_pin.h"
#include "agent/doctor.h"
#include "agent/driver.h"
#include "agent/identity.h"
#include "agent/status.h"
#include "platform/clock.h"
#include "platform/command_line.h"
#include "platform/http.h"
#include "platform/program.h"
#include "platform/secret_input.h"
#include "platform/storage.h"
#include "trust/manifest.h"
#include "trust/passphrase.h"
#include "trust/tuf_updater.h"

namespace polder::agent {

struct Home {
  Config config;
  std::unique_ptr<Storage> storage;
  std::string config_error = {};  // look_past(): why the configuration could not be read

  // Makes the folder where it is not there.
  static Result<Home> open(const command_line::Args& args);
  // For a question: nothing is made. A folder that is not there is as an empty one.
  static Result<Home> look(const command_line::Args& args);
  // Likewise, and past a configuration that is wrong: then its `config` is legible_config(), with
  // the units that are installed. Errors: that of the configuration, where nothing is there either.
  static Result<Home> look_past(const command_line::Args& args);
  // To be held by whoever changes something. Errors: kUnavailable while another polderd works here;
  // those of check_user().
  Result<std::unique_ptr<StorageLock>> lock() const;
  // Keys and what is written are the folder's user's alone. Errors: kDenied for another user, root
  // too, with how to become that one. Fine where there is no folder yet.
  Status check_user() const;
  bool is_running() const;
  // How often the program in the slot of the runtime was started since it last ran for a while,
  // this time included; 1 where that cannot be kept.
  std::int64_t count_runtime_start() const;
  void forget_runtime_starts() const;
  // Takes the root that came with the device, where none is trusted yet; mends the copies of one
  // that is.
  Status trust_root(Storage& into) const;
  // As it was saved, with the units of the configuration.
  Result<AgentState> state() const;
  std::optional<Live> live() const;
  // Whether this process, which goes on, could start anew with the configuration of now. Errors:
  // those of such a start.
  Status check_start(const command_line::Args& args) const;
  Result<Standing> standing() const;
  Facts facts() const;
};

// What the repository says that this device should run.
struct Answer {
  std::vector<Offer> install;  // in this order, one after another
  std::vector<Offer> waiting;  // those of them that the window keeps waiting
  std::vector<Refusal> refusals;
  std::vector<Expiry> expiries;  // of the metadata that it has now
  std::string note;              // CheckOutcome::note
};
// Asks it, whether or not polderd runs; nothing of it is kept. `retry`: as if nothing had failed
// here. Errors: those of RepositoryClient::check().
Result<Answer> ask(const Home& home, bool retry);

// The repository, as its address says.
class Sources {
 public:
  // `storage`: with the root that is trusted; `meanwhile`: see HttpOptions. Borrows all of them.
  static Result<Sources> open(const Config& config, Storage& storage, Clock& clock,
                              const WallClock& wall, const std::function<Status()>& meanwhile = {});
  trust::tuf::Fetcher& metadata() { return *metadata_; }
  BlobFetcher& blobs() { return *blobs_; }
  std::int64_t retry_after_s() const { return client_ ? client_->retry_after_s() : 0; }

 private:
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<trust::tuf::Fetcher> metadata_;
  std::unique_ptr<BlobFetcher> blobs_;
};

// The PIN of the device's keys, for who asks for them by a command: --passphrase-fd,
// POLDER_PASSPHRASE, [identity] pin_file, a prompt. What is made has one where pin_file is set.
class KeyPassphrase {
 public:
  KeyPassphrase(const command_line::Args& args, const Config& config);
  // Of one that the configuration names a wrong one is tried once (agent/device_pin.h).
  Result<std::unique_ptr<trust::Signer>> open_signer(const Home& home);
  Result<Identity> identity(const Home& home);
  Result<Identity> create_identity(const Home& home);

 private:
  SystemSecretInput input_;
  bool is_given_;
  trust::GivenPassphrase given_;
};

// For jitter: the system's.
class Random {
 public:
  std::uint64_t bits();
};

trust::Device this_device();

// --- Programs ------------------------------------------------------------------------------------

// Which polderd this is, as the one that started it has said.
Self self_from_environment();
// The one that was installed, which starts those in slots.
Result<std::string> installed_program(const Self& self);
char** args_of_process();
// Becomes another program. Returns on an error only.
Status run_in_place(const ProgramFile& program, const std::string& slot, char** argv);

}  // namespace polder::agent
