#include "apps/polderd_home.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "agent/backoff.h"
#include "agent/blob_store.h"
#include "agent/clock_floor.h"
#include "agent/hub_repository.h"
#include "agent/repository_releases.h"
#include "agent/slots.h"
#include "base/fail.h"
#include "base/text.h"
#include "platform/confine_files.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/host.h"
#include "platform/owner.h"
#include "platform/process.h"
#include "platform/storage_overlay.h"
#include "runtime/abilities.h"
#include "trust/key_uri.h"
#include "trust/tuf_folder.h"
#include "trust/tuf_http.h"

namespace polder::agent {

namespace {

constexpr char kDefaultConfig[] = "/etc/polderd/polderd.toml";
constexpr char kLockName[] = "lock";
constexpr char kRuntimeStartsName[] = "runtime-starts";
// How the program that was installed tells the one of a slot who it is.
constexpr char kSlotVariable[] = "POLDERD_SLOT", kInstalledVariable[] = "POLDERD_INSTALLED";

std::string absolute(const std::string& path) {
  std::error_code code;
  const auto full = std::filesystem::absolute(path, code);
  return code ? path : full.lexically_normal().string();
}

std::string without_slash(std::string text) {
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// For a shell: '#1000' begins a comment.
std::string quoted_user(const std::string& name) {
  return name.starts_with('#') ? "\\" + name : name;
}

// With the user who may read the folder, for another one who may not.
Error with_user(Error error, const std::string& folder) {
  const auto owner = owner_of(folder);
  if (error.code == Code::kDenied && owner.ok() && !owner->is_us)
    error.message += fmt::format("; 'sudo -u {} polderd ...'", quoted_user(owner->name));
  return error;
}

// A device without a repository.
class NoMetadata final : public trust::tuf::Fetcher {
 public:
  Result<std::string> fetch_metadata(const std::string&, std::size_t) override { return none(); }
  Status fetch_target(const std::string&, std::int64_t, const trust::tuf::Sink&) override {
    return none();
  }
  static Error none() {
    return fail(Code::kUnavailable, "no repository: set 'repository' in polderd.toml");
  }
};
class NoBlobs final : public BlobFetcher {
 public:
  Status fetch(const trust::Sha256&, std::uint64_t, std::uint64_t, std::uint64_t,
               HttpSink&) override {
    return NoMetadata::none();
  }
};

}  // namespace

// --- Home ----------------------------------------------------------------------------------------

namespace {

Result<Home> configured(const command_line::Args& args) {
  Home home;
  TRY_VALUE(home.config, read_config(args.text("--config", kDefaultConfig)));
  if (args.has("--folder")) home.config.folder = absolute(args.text("--folder"));
  // As it was typed: errors name it.
  if (args.has("--repository")) home.config.repository = args.text("--repository");
  return home;
}

}  // namespace

Result<Home> Home::open(const command_line::Args& args) {
  TRY_VALUE(Home home, configured(args));
  TRY_VALUE(home.storage, DiskStorage::at(home.config.folder));
  return home;
}

Result<Home> Home::look(const command_line::Args& args) {
  TRY_VALUE(Home home, configured(args));
  const auto kind = entry_kind(home.config.folder);
  if (!kind.ok() && kind.error().code == Code::kNotFound) {
    home.storage = std::make_unique<StorageOverlay>(nullptr);
    return home;
  }
  auto storage = DiskStorage::at(home.config.folder);
  if (!storage.ok()) return with_user(std::move(storage).error(), home.config.folder);
  home.storage = std::move(*storage);
  return home;
}

Result<Home> Home::look_past(const command_line::Args& args) {
  Result<Home> read = look(args);
  const std::string path = args.text("--config", kDefaultConfig);
  const auto config = read_config(path);
  if (read.ok() || config.ok()) return read;
  const auto text = read_file(path, kMaxTomlBytes);
  Home home{.config = legible_config(text.ok() ? *text : ""),
            .storage = nullptr,
            .config_error = config.error().message};
  if (args.has("--folder")) home.config.folder = absolute(args.text("--folder"));
  if (!entry_kind(home.config.folder).ok()) return read;
  auto storage = DiskStorage::at(home.config.folder);
  if (!storage.ok()) return with_user(std::move(storage).error(), home.config.folder);
  home.storage = std::move(*storage);
  const auto saved = load_state(*home.storage);
  if (!saved.ok()) return home;
  for (const auto& [name, unit] : saved->units) {
    if (unit.runtime) home.config.runtime = name;
    else home.config.models.push_back(name);
  }
  return home;
}

Status Home::check_user() const {
  const auto owner = owner_of(config.folder);
  if (!owner.ok()) return owner.error().code == Code::kNotFound ? Status() : owner.error();
  if (owner->is_us) return {};
  return fail(Code::kDenied,
              "{}: belongs to the user {}, whose keys and files no other one reads or writes: "
              "'sudo -u {} polderd ...'",
              config.folder, owner->name, quoted_user(owner->name));
}

Result<std::unique_ptr<StorageLock>> Home::lock() const {
  TRY(check_user());
  auto lock = storage->lock(kLockName);
  // Those who only ask whether it is taken hold it for a moment.
  SystemClock clock;
  for (int i = 0; i < 10 && !lock.ok() && lock.error().code == Code::kUnavailable; ++i) {
    clock.sleep_until_us(clock.now_us() + 50'000);
    lock = storage->lock(kLockName);
  }
  if (!lock.ok() && lock.error().code == Code::kUnavailable) {
    return fail(Code::kUnavailable,
                "{}: another polderd works here; 'polderd status' says what it does",
                config.folder);
  }
  return lock;
}

std::int64_t Home::count_runtime_start() const {
  const auto text = read_stored(*storage, kRuntimeStartsName, 32);
  std::int64_t starts = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), starts);
  starts = std::clamp<std::int64_t>(starts, 0, 1'000'000) + 1;
  return replace_stored(*storage, kRuntimeStartsName, std::to_string(starts)).ok() ? starts : 1;
}

void Home::forget_runtime_starts() const {
  // Where it cannot be removed it counts on, and the installed program stands in for a while.
  [[maybe_unused]] const Status removed = storage->remove(kRuntimeStartsName);
}

bool Home::is_running() const {
  // To ask for a lock makes its file.
  if (!storage->open(kLockName).ok()) return false;
  const auto lock = storage->lock(kLockName);
  return !lock.ok() && lock.error().code == Code::kUnavailable;
}

Status Home::trust_root(Storage& into) const {
  StoredMetadata metadata(into);
  const auto trusted = metadata.root();
  // Its copies are mended, whatever has become of the file that it began with.
  if (trusted.ok()) return metadata.start(trusted->bytes);
  if (config.root.empty()) {
    if (trusted.error().code != Code::kNotFound) return Error(trusted.error());
    return config.repository.empty() ? Status() : Status(trusted.error());
  }
  TRY_VALUE(const std::string root, read_file(config.root, trust::tuf::kMaxRootBytes));
  Status started = metadata.start(root);
  if (started.ok() || trusted.error().code != Code::kNotFound) return started;
  return std::move(started).error().at(config.root);
}

Result<AgentState> Home::state() const {
  auto loaded = load_state(*storage);
  if (!loaded.ok()) {
    return fail(loaded.error().code, "{}/{}; 'polderd doctor' says what to do", config.folder,
                loaded.error().message);
  }
  return with_units(std::move(*loaded), config.models, config.runtime);
}

std::optional<Live> Home::live() const {
  const auto bytes = read_stored(*storage, kLiveName, kMaxLiveBytes);
  if (!bytes.ok()) return std::nullopt;
  auto live = Live::parse(*bytes, kLiveName);
  return live.ok() ? std::optional(std::move(*live)) : std::nullopt;
}

namespace {

// Of what runs of `unit`; empty where nothing does.
std::string running_pipeline(const AgentState& state, const std::string& unit) {
  const auto found = state.units.find(unit);
  const bool runs = found != state.units.end() && found->second.running();
  return runs ? slot_pipeline(unit, found->second.active) : "";
}

Result<std::string> read_pipeline(const Home& home, const std::string& file) {
  if (file.empty()) return fail(Code::kNotFound, "nothing runs");
  return read_stored(*home.storage, file, kMaxTomlBytes);
}

}  // namespace

Status Home::check_start(const command_line::Args& args) const {
  TRY_VALUE(const Home next, Home::open(args));
  if (next.config.folder != config.folder) TRY(next.lock());
  TRY_VALUE(const AgentState saved, next.state());
  for (const std::string& name : next.config.models) {
    const auto pipeline = read_pipeline(next, running_pipeline(saved, name));
    const Status fits =
        pipeline.ok() ? check_device_settings(*pipeline, next.config.settings_of(name)) : Status();
    if (!fits.ok())
      return fail(fits.error().code,
                  "{}; where that is for a release to come: 'systemctl restart polderd'",
                  fits.error().message);
  }
  SystemClock clock;
  const SystemWallClock wall;
  TRY(Sources::open(next.config, *next.storage, clock, wall));
  return {};
}

namespace {

// A slot whose files are gone is no way back, whatever the state says of it.
void forget_lost_ways_back(Storage& storage, AgentState& state) {
  StorageOverlay look(&storage);
  auto blobs = BlobStore::open(look);
  if (!blobs.ok()) return;
  Slots slots(*blobs);
  for (auto& [name, unit] : state.units) {
    const auto back = way_back(state, name);
    const Slot other = other_slot(unit.active);
    if (back && !slots.open(name, other, *back).ok()) unit.in(other).reset();
  }
}

}  // namespace

Result<Standing> Home::standing() const {
  TRY_VALUE(AgentState saved, state());
  forget_lost_ways_back(*storage, saved);
  Standing standing{.state = std::move(saved),
                    .live = live(),
                    .is_running = is_running(),
                    .now_s = SystemWallClock().now_s(),
                    .expiries = trusted_expiries(*storage),
                    .config_error = config_error};
  standing.hub = hub_standing(config, *storage, standing.live, standing.is_live());
  return standing;
}

namespace {

Status look_at_root(const Home& home) {
  if (StoredMetadata(*home.storage).root().ok()) return {};
  StorageOverlay look(home.storage.get());
  return home.trust_root(look);
}

// A token asks for its PIN before it tells anything, and who asks often would lock it: polderd
// alone tries that.
Status look_at_key(const Home& home) {
  const Config& config = home.config;
  const auto uri = trust::KeyUri::parse(config.key_uri());
  if (uri.ok() && uri->place == trust::KeyPlace::kPkcs11)
    return check_pin(config, *home.storage, config.key_uri());
  PinFile pin(config.pin_file);
  const auto signer = open_identity(config, pin);
  return signer.ok() ? Status() : Status(signer.error());
}

// Holds the settings of this device to what is installed.
void look_at_settings(const Home& home, Facts& facts) {
  for (const std::string& name : home.config.models) {
    const std::span<const DeviceSetting> settings = home.config.settings_of(name);
    const std::string file = running_pipeline(*facts.state, name);
    const auto pipeline = read_pipeline(home, file);
    if (!pipeline.ok()) {
      if (!settings.empty()) facts.unproven_settings.push_back(name);
      continue;
    }
    const HasFile has_file = [&](const std::string& other) {
      return home.storage->open(storage_folder(file) + "/" + other).ok();
    };
    Status fits = check_device_settings(*pipeline, settings);
    if (fits.ok()) fits = find_device_inputs(*pipeline, name, settings, has_file);
    if (!fits.ok()) facts.bad_settings.push_back(fits.error().message);
  }
}

// And to what the repository offers.
void look_at_offers(const Answer& answer, Facts& facts) {
  for (const Refusal& refusal : answer.refusals) {
    if (!refusal.is_own) {
      facts.refusals.push_back(refusal);
      continue;
    }
    std::erase(facts.unproven_settings, refusal.unit);
    facts.bad_settings.push_back(refusal.text());
  }
}

// What a worker is to lock in memory: all of the sealed models that run.
void note_sealed(Slots& slots, const std::string& name, const Unit& unit, Slot slot, Facts& facts) {
  const auto staged = slots.open(name, slot, *unit.in(slot));
  if (unit.active != slot || !staged.ok()) return;
  for (const StagedModel& model : staged->models) {
    const auto file = std::ranges::find(staged->files, model.name, &StagedFile::name);
    if (model.artifact.sealed && file != staged->files.end())
      facts.sealed_bytes[name] += std::int64_t(file->blob.bytes);
  }
}

// Hashes what is installed.
void look_at_slots(const Home& home, Facts& facts) {
  StorageOverlay look(home.storage.get());
  auto blobs = BlobStore::open(look);
  if (!blobs.ok()) return;
  Slots slots(*blobs);
  for (const auto& [name, unit] : facts.state->units) {
    for (const Slot slot : {Slot::kA, Slot::kB}) {
      if (!unit.in(slot)) continue;
      note_sealed(slots, name, unit, slot, facts);
      const Status whole = slots.verify(name, slot, *unit.in(slot));
      if (whole.ok()) continue;
      // An update may have begun to replace it.
      const auto now = load_state(*home.storage);
      const auto at = now.ok() ? now->units.find(name) : facts.state->units.end();
      if (now.ok() && (at == now->units.end() || at->second.in(slot) != unit.in(slot))) continue;
      facts.damaged_slots.push_back(
          {with_name(unit.in(slot)->text(), whole.error().message), slot == unit.active});
    }
  }
}

}  // namespace

Facts Home::facts() const {
  Facts facts{.config = config,
              .config_error = config_error,
              .live = live(),
              .now_s = SystemWallClock().now_s()};
  const bool has_config = config_error.empty();
  if (const auto owner = owner_of(config.folder); owner.ok())
    facts.owner = quoted_user(owner->name);
  facts.is_running = is_running();
  facts.state = load_state(*storage);
  if (facts.state.ok() && has_config) look_at_settings(*this, facts);
  if (facts.state.ok()) look_at_slots(*this, facts);
  if (has_config) facts.identity = look_at_key(*this), facts.root = look_at_root(*this);
  facts.audit = trust::check_newest_segment(*storage, kAuditFolder);
  facts.expiries = trusted_expiries(*storage);
  const bool is_live =
      facts.is_running && facts.live && facts.now_s - facts.live->said_s <= kLiveHoldsS;
  facts.hub = hub_standing(config, *storage, facts.live, is_live);
  if (!config.repository.empty() && facts.root.ok() && facts.state.ok()) {
    auto answer = ask(*this, false);
    if (answer.ok()) {
      look_at_offers(*answer, facts);
      facts.expiries = std::move(answer->expiries);
    } else {
      facts.repository = Error(answer.error());
    }
  }
  facts.confines_files = can_confine_files();
  facts.free_bytes = storage->free_bytes();
  return facts;
}

Result<Answer> ask(const Home& home, bool retry) {
  TRY_VALUE(AgentState state, home.state());
  if (retry) state = forgive(std::move(state));
  StorageOverlay look(home.storage.get());
  TRY(home.trust_root(look));
  SystemClock clock;
  const SystemWallClock wall;
  const std::int64_t seen_s = std::max(state.time_seen_s, self_from_environment().built_s);
  const BelievedClock believed(wall, [seen_s] { return seen_s; });
  TRY_VALUE(Sources sources, Sources::open(home.config, look, clock, believed));
  TRY_VALUE(BlobStore blobs, BlobStore::open(look));
  const trust::Device device = this_device();
  RepositoryReleases releases(home.config, device, sources.metadata(), sources.blobs(), blobs);
  TRY_VALUE(CheckOutcome outcome, releases.check(state, believed.now_s()));
  for (const auto& [name, floor] : outcome.floors) {
    if (state.units.contains(name)) state.floors[name] = floor;
  }
  for (Offer& offer : outcome.offers) offer.settings = home.config.settings_digest(offer.unit);
  Backoff backoff{Policy{}};
  backoff.start(state, wall.now_s(), clock.now_us());
  Answer answer{.install = {},
                .waiting = {},
                .refusals = std::move(outcome.refusals),
                .expiries = trusted_expiries(look),
                .note = std::move(outcome.note)};
  const auto left_s = [&](const Attempts& item) { return backoff.left_s(item, clock.now_us()); };
  answer.install = installable(state, outcome.offers, left_s, answer.refusals);
  const auto& window = home.config.window;
  if (window && !window->holds(wall.now_s())) {
    std::ranges::copy_if(answer.install, std::back_inserter(answer.waiting),
                         [&](const Offer& offer) { return waits_for_window(state, offer); });
  }
  return answer;
}

// --- Sources -------------------------------------------------------------------------------------

Result<Sources> Sources::open(const Config& config, Storage& storage, Clock& clock,
                              const WallClock& wall, const std::function<Status()>& meanwhile) {
  Sources sources;
  const std::string place = without_slash(config.repository);
  if (place.empty()) {
    sources.metadata_ = std::make_unique<NoMetadata>();
    sources.blobs_ = std::make_unique<NoBlobs>();
  } else if (config.is_folder()) {
    sources.metadata_ =
        std::make_unique<trust::tuf::FolderFetcher>(place + "/metadata", place + "/targets");
    sources.blobs_ = std::make_unique<FolderBlobs>(place);
  } else {
    HttpOptions options;
    options.ca_file = config.ca_file;
    options.deadline_ms = config.download_deadline_s * 1000;
    options.min_rate_bytes_s = config.min_rate_bytes_s;
    options.meanwhile = meanwhile;
    const auto open_hub = [options, &config, &clock, &wall](const HubServer& server) {
      HttpOptions hub = options;
      trust_server(hub, config.hub.ca_file, server);
      return open_http_client(hub, clock, wall);
    };
    if (config.is_of_hub()) {
      TRY(open_hub({}));  // what 'ca_file' lacks is told now
      sources.client_ = std::make_unique<HubRepository>(place, storage, open_hub);
    } else {
      TRY_VALUE(sources.client_, open_http_client(options, clock, wall));
    }
    sources.metadata_ = std::make_unique<trust::tuf::HttpFetcher>(
        *sources.client_, place + "/metadata", place + "/targets");
    sources.blobs_ = std::make_unique<HttpBlobs>(*sources.client_, place);
  }
  return sources;
}

KeyPassphrase::KeyPassphrase(const command_line::Args& args, const Config& config)
    : is_given_(args.has("--passphrase-fd") || input_.environment("POLDER_PASSPHRASE") != nullptr ||
                config.pin_file.empty()),
      given_(input_, {.descriptor = args.has("--passphrase-fd")
                                        ? std::optional(int(args.integer("--passphrase-fd", 0)))
                                        : std::nullopt,
                      .none = config.pin_file.empty()}) {}

Result<std::unique_ptr<trust::Signer>> KeyPassphrase::open_signer(const Home& home) {
  return is_given_ ? open_identity(home.config, given_)
                   : open_device_signer(home.config, *home.storage);
}

Result<Identity> KeyPassphrase::identity(const Home& home) {
  if (is_given_) return show_identity(home.config, given_);
  TRY_VALUE(const auto signer, open_signer(home));
  const auto decrypter = open_device_decrypter(home.config, *home.storage);
  return identity_of(home.config, *signer, decrypter.ok() ? decrypter->get() : nullptr);
}

Result<Identity> KeyPassphrase::create_identity(const Home& home) {
  return is_given_ ? agent::create_identity(home.config, given_)
                   : create_device_identity(home.config, *home.storage);
}

std::uint64_t Random::bits() {
  std::uint64_t bits = 0;
  // Never short nor interrupted for so few bytes; before the kernel has any it waits.
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = std::uint64_t(monotonic_ns());
  return bits;
}

trust::Device this_device() {
  Abilities abilities = machine_abilities();
  return {std::move(abilities.targets),
          {"native"},
          abilities.plan_format,
          std::move(abilities.operators)};
}

// --- Programs ------------------------------------------------------------------------------------

Self self_from_environment() {
  const char* slot = std::getenv(kSlotVariable);
  Self self{.built_s = POLDER_BUILT_S};
  if (slot && slot == slot_name(Slot::kA)) self.slot = Slot::kA;
  if (slot && slot == slot_name(Slot::kB)) self.slot = Slot::kB;
  self.was_counted = self.slot != Slot::kNone;
  return self;
}

Result<std::string> installed_program(const Self& self) {
  const char* path = std::getenv(kInstalledVariable);
  return self.slot != Slot::kNone && path ? Result<std::string>(std::string(path)) : own_program();
}

// The words that this process was started with; they stay where the kernel put them.
char** args_of_process() {
  static std::vector<std::string> words;
  static std::vector<char*> pointers;
  words.clear();
  pointers.clear();
  if (const auto text = read_kernel_text("/proc/self/cmdline"); text.ok()) {
    for (std::size_t at = 0; at < text->size();) {
      words.emplace_back(text->c_str() + at);
      at += words.back().size() + 1;
    }
  }
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers.data();
}

Status run_in_place(const ProgramFile& program, const std::string& slot, char** argv) {
  if (slot.empty()) {
    ::unsetenv(kSlotVariable);
  } else {
    ::setenv(kSlotVariable, slot.c_str(), 1);
    TRY_VALUE(const std::string own, own_program());
    ::setenv(kInstalledVariable, own.c_str(), 1);
  }
  return program.become(argv);
}

}  // namespace polder::agent
