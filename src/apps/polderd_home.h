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
#include "agent/driver.h"
#include "agent/status.h"
#include "platform/clock.h"
#include "platform/command_line.h"
#include "platform/http.h"
#include "platform/secret_input.h"
#include "platform/storage.h"
#include "trust/manifest.h"
#include "trust/passphrase.h"
#include "trust/tuf_updater.h"

namespace polder::agent {

struct Home {
  Config config;
  std::unique_ptr<DiskStorage> storage;

  static Result<Home> open(const command_line::Args& args);
  // Errors: kUnavailable while another polderd works here.
  Result<std::unique_ptr<StorageLock>> lock() const;
  bool is_running() const;
  // How often the program in the slot of the runtime was started since it last ran for a while,
  // this time included; 1 where that cannot be kept.
  std::int64_t count_runtime_start() const;
  void forget_runtime_starts() const;
  // Takes the root that came with the device, where none is trusted yet.
  Status trust_root() const;
  std::optional<Live> live() const;
  Facts facts() const;
};

// The repository, as its address says.
class Sources {
 public:
  // `meanwhile`: see HttpOptions.
  static Result<Sources> open(const Config& config, Clock& clock, const WallClock& wall,
                              const std::function<Status()>& meanwhile = {});
  trust::tuf::Fetcher& metadata() { return *metadata_; }
  BlobFetcher& blobs() { return *blobs_; }
  std::int64_t retry_after_s() const { return client_ ? client_->retry_after_s() : 0; }

 private:
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<trust::tuf::Fetcher> metadata_;
  std::unique_ptr<BlobFetcher> blobs_;
};

// The PIN of a token's or a TPM's key; a key in a file has none, for nobody is there to type it.
class KeyPassphrase {
 public:
  explicit KeyPassphrase(const command_line::Args& args);
  trust::PassphraseSource& source() { return source_; }

 private:
  SystemSecretInput input_;
  trust::GivenPassphrase source_;
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
Status run_in_place(const std::string& program, const std::string& slot, char** argv);

}  // namespace polder::agent
