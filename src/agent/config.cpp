#include "agent/config.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "agent/state.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "pipeline/player.h"
#include "platform/file.h"
#include "platform/url.h"
#include "trust/key_uri.h"
#include "trust/manifest.h"

namespace polder::agent {

namespace {

constexpr Option kTop[] = {
    {.name = "device",
     .required = true,
     .doc =
         "Name of this device: letters, digits, '.', '-' and '_', at most 64. Assignments and the "
         "certificate request carry it."},
    {.name = "folder",
     .fallback = "\"/var/lib/polderd\"",
     .doc = "Where everything is kept: state, releases, reports, identity."},
    {.name = "models",
     .type = OptionType::kStrings,
     .required = true,
     .doc = "Names of the models that this device runs. Nothing else is ever installed."},
    {.name = "without_pipeline",
     .type = OptionType::kStrings,
     .doc = "Those of `models` that other programs open (`FOLDER/slots/MODEL`): a release of one "
            "that has no pipeline may take the place of one that has. Of the others it is refused, "
            "for then nothing would run."},
    {.name = "runtime",
     .fallback = "\"\"",
     .doc = "Name of the releases of `polderd` itself; empty: it is not updated from the "
            "repository."},
    {.name = "repository",
     .fallback = "\"\"",
     .doc = "Where releases come from: an `https://` or `http://` URL, or a folder (a USB stick, a "
            "share). Empty: the repository of the hub; without `[hub]` nowhere, and what is "
            "installed runs."},
    {.name = "root",
     .fallback = "\"\"",
     .doc = "The repository's `root.json` as it was handed over with the device. Read once, when "
            "the agent trusts none yet."},
    {.name = "pins",
     .type = OptionType::kTable,
     .doc = "`NAME = \"VERSION\"`: of this model no other version is installed."},
    {.name = "pipeline",
     .type = OptionType::kTable,
     .doc =
         "`[pipeline.MODEL]` with `STEP.KEY = VALUE`: what this device sets of the steps of that "
         "model's pipelines, such as `camera.path = \"/data/camera\"`. A path without '/' in "
         "front is a file of the release. Never the model, a step's type, its inputs or what it "
         "may store."},
    {.name = "updates", .type = OptionType::kTable, .doc = "See below."},
    {.name = "network", .type = OptionType::kTable, .doc = "See below."},
    {.name = "hub", .type = OptionType::kTable, .doc = "See below."},
    {.name = "worker", .type = OptionType::kTable, .doc = "See below."},
    {.name = "output", .type = OptionType::kTable, .doc = "See below."},
    {.name = "reports", .type = OptionType::kTable, .doc = "See below."},
    {.name = "audit", .type = OptionType::kTable, .doc = "See below."},
    {.name = "identity", .type = OptionType::kTable, .doc = "See below."},
};

constexpr Option kUpdates[] = {
    {.name = "check_every_s",
     .type = OptionType::kInteger,
     .fallback = "1800",
     .unit = "s",
     .min = 1,
     .max = 30 * 86400,
     .doc = "How often the repository is asked; each time up to a quarter earlier by chance."},
    {.name = "observe_s",
     .type = OptionType::kInteger,
     .fallback = "600",
     .unit = "s",
     .min = 1,
     .max = 86400,
     .doc = "How long a new release must run well before it is committed."},
    {.name = "shadow_s",
     .type = OptionType::kInteger,
     .fallback = "7200",
     .unit = "s",
     .min = 1,
     .max = 86400,
     .doc = "How long it runs beside the old one, where an assignment asks for that."},
    {.name = "window",
     .fallback = "\"\"",
     .doc = "`HH:MM-HH:MM`, UTC: updates begin only then, but for the way back. Empty: at any "
            "time."},
};

constexpr Option kNetwork[] = {
    {.name = "ca_file",
     .fallback = "\"\"",
     .doc = "Certificates (PEM) that a server's must come from; empty: the system's."},
    {.name = "deadline_s",
     .type = OptionType::kInteger,
     .fallback = "3600",
     .unit = "s",
     .min = 1,
     .max = 7 * 86400,
     .doc = "Of one request, from beginning to end. What has come is kept for the next."},
    {.name = "min_rate",
     .type = OptionType::kInteger,
     .fallback = "256",
     .unit = "bytes/s",
     .min = 0,
     .max = 1e9,
     .doc = "A server that is slower for 20 seconds is given up; 0: never."},
};

constexpr Option kHub[] = {
    {.name = "url",
     .fallback = "\"\"",
     .doc = "`https://HOST:8443`: the hub that looks after this device. It enrols there by itself, "
            "tells it what it reports, and hears when to look at the repository. Empty: none."},
    {.name = "token_file",
     .fallback = "\"\"",
     .doc = "A file with the one-time token that enrols this device; its owner alone may read it. "
            "Once used it is removed where that may be, and ignored. Empty: none, where the device "
            "is enrolled."},
    {.name = "ca_file",
     .fallback = "\"\"",
     .doc = "The hub's `ca.pem`, brought here by a way that is trusted: what the hub's certificate "
            "must come from. Empty: the system's certificates."},
};

constexpr Option kWorker[] = {
    {.name = "memory_mb",
     .type = OptionType::kInteger,
     .fallback = "1024",
     .unit = "MB",
     .min = 64,
     .max = 1 << 20,
     .doc = "Address space of a pipeline's process; beyond it an allocation fails."},
    {.name = "threads",
     .type = OptionType::kInteger,
     .fallback = "1",
     .min = 1,
     .max = pipeline::kMaxPlayThreads,
     .doc = "Threads that run the steps of a pipeline."},
    {.name = "heartbeat_timeout_s",
     .type = OptionType::kInteger,
     .fallback = "30",
     .unit = "s",
     .min = 1,
     .max = 3600,
     .doc = "A worker that says nothing for so long, or has a step that works on one frame for so "
            "long, hangs, and is ended."},
    {.name = "crashes",
     .type = OptionType::kInteger,
     .fallback = "3",
     .min = 1,
     .max = 1000,
     .doc = "So many ends of a worker within `crash_window_s` are a crash loop: a release on trial "
            "is rolled back."},
    {.name = "crash_window_s",
     .type = OptionType::kInteger,
     .fallback = "600",
     .unit = "s",
     .min = 1,
     .max = 86400,
     .doc = "See `crashes`."},
};

constexpr Option kOutput[] = {
    {.name = "keep",
     .fallback = "\"events\"",
     .choices = "nothing|events|all",
     .doc = "Of what pipelines write, this stays on the device, for its user alone, and is sent "
            "nowhere: `events` is what steps have made of pictures and sound (JSON lines), `all` "
            "also what shows them (annotated video), where the releaser allows it."},
    {.name = "megabytes",
     .type = OptionType::kInteger,
     .fallback = "16",
     .unit = "MB",
     .min = 1,
     .max = 1 << 20,
     .doc = "Of each model's output; above it the oldest files are deleted, and counted."},
    {.name = "folder",
     .fallback = "\"\"",
     .doc = "Where it is kept, a folder for each model; empty: `output` in `folder`."},
};

constexpr Option kReports[] = {
    {.name = "megabytes",
     .type = OptionType::kInteger,
     .fallback = "16",
     .unit = "MB",
     .min = 1,
     .max = 65536,
     .doc = "Of reports that wait for delivery; above it metrics are dropped before alarms, and "
            "what is dropped is counted."},
    {.name = "every_s",
     .type = OptionType::kInteger,
     .fallback = "300",
     .unit = "s",
     .min = 1,
     .max = 86400,
     .doc = "How often metrics are written down and sent, at whole multiples of this by the "
            "clock. Alarms do not wait for it."},
    {.name = "metrics",
     .fallback = "\"\"",
     .doc =
         "`127.0.0.1:PORT`: there Prometheus, or `curl`, reads `/metrics`. No other address is "
         "taken: who is to read it from elsewhere needs a proxy that knows who may. Empty: off."},
    {.name = "otlp",
     .fallback = "\"\"",
     .doc = "`http://HOST:4318` or `https://`: an OpenTelemetry collector that reports are sent to "
            "(OTLP/HTTP); `[network] ca_file` holds for it too. Empty: none."},
};

constexpr Option kAudit[] = {
    {.name = "megabytes",
     .type = OptionType::kInteger,
     .fallback = "16",
     .unit = "MB",
     .min = 1,
     .max = 4096,
     .doc = "Of the audit log and its checkpoints; above it the oldest entries are removed, an "
            "eighth of it at a time."},
};

constexpr Option kIdentity[] = {
    {.name = "key",
     .fallback = "\"\"",
     .doc = "The device's key: `file:PATH`, `pkcs11:token=T;object=K` or `tpm:0x81000002`. Empty: "
            "a file in `folder`."},
    {.name = "decryption_key",
     .fallback = "\"\"",
     .doc = "The key that opens sealed models: `file:PATH` or `tpm:0x81000003`. Empty: a file in "
            "`folder`, not encrypted where `key` is on a token."},
    {.name = "pin_file",
     .fallback = "\"\"",
     .doc = "A file whose first line is the PIN or passphrase of these keys: of a token, of "
            "`tpm:0x81000002?pass`, of an encrypted file. Its owner alone may read it. Empty: they "
            "have none."},
};

struct Section {
  std::string_view name;
  std::span<const Option> options;
};
constexpr Section kSections[] = {
    {"updates", kUpdates}, {"network", kNetwork}, {"hub", kHub},     {"worker", kWorker},
    {"output", kOutput},   {"reports", kReports}, {"audit", kAudit}, {"identity", kIdentity}};

// An empty table of such a section where the file has none.
Result<Settings> section(const Settings& top, std::string_view name, std::string_view file) {
  const auto found = std::ranges::find(kSections, name, &Section::name);
  const TomlValue none;
  const TomlValue* table = top.find(name);
  if (table && table->kind != TomlKind::kTable)
    return fail(Code::kInvalid, "{}: a table expected: [{}]", top.place(name), name);
  return Settings::check(table ? *table : none, found->options, file, fmt::format("[{}]", name));
}

Result<int> minutes_of(std::string_view text, const std::string& place) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4)) {
    const int hours = (text[0] - '0') * 10 + text[1] - '0';
    const int minutes = (text[3] - '0') * 10 + text[4] - '0';
    if (hours < 24 && minutes < 60) return hours * 60 + minutes;
  }
  return fail(Code::kInvalid, "{}: 'HH:MM-HH:MM' expected, such as '01:30-04:00', '{}' found",
              place, clipped(text));
}

Result<std::optional<DayWindow>> read_window(const Settings& updates) {
  const std::string& text = updates.string("window");
  if (text.empty()) return std::optional<DayWindow>();
  const std::string place = updates.place("window") + ": window";
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return minutes_of("", place).error();
  TRY_VALUE(const int from_min, minutes_of(std::string_view(text).substr(0, dash), place));
  TRY_VALUE(const int to_min, minutes_of(std::string_view(text).substr(dash + 1), place));
  if (from_min == to_min)
    return fail(Code::kInvalid, "{}: it is empty; leave it out for the whole day", place);
  return std::optional<DayWindow>({from_min, to_min});
}

Status read_pins(const Settings& top, Config& config) {
  const TomlValue* table = top.find("pins");
  if (!table) return {};
  if (table->kind != TomlKind::kTable)
    return fail(Code::kInvalid, "{}: a table expected: [pins]", top.place("pins"));
  for (const auto& [name, value] : table->members) {
    const std::string place = fmt::format("{}: pins.{}", top.place("pins"), clipped(name));
    if (value.kind != TomlKind::kString)
      return fail(Code::kInvalid, "{}: a version in quotes expected", place);
    auto version = trust::Version::parse(value.string, place);
    if (!version.ok()) return Error{Code::kInvalid, version.error().message};
    const bool known =
        std::ranges::find(config.models, name) != config.models.end() || name == config.runtime;
    if (!known) return fail(Code::kInvalid, "{}: is among neither models nor runtime", place);
    config.pins.emplace(name, std::move(*version));
  }
  return {};
}

Status check_names(const Settings& top, const Config& config) {
  if (!is_device_id(config.device)) {
    return fail(Code::kInvalid,
                "{}: device: 1 to {} letters, digits, '.', '-' and '_' expected, '{}' found",
                top.place("device"), kMaxDeviceIdBytes, clipped(config.device));
  }
  if (config.models.size() + 1 > kMaxUnits)
    return fail(Code::kExhausted, "{}: models: {} of at most {}", top.place("models"),
                config.models.size(), kMaxUnits - 1);
  std::set<std::string_view> names;
  for (const std::string& name : config.models) {
    if (!trust::is_release_name(name) || !names.insert(name).second)
      return fail(Code::kInvalid, "{}: models: '{}' is no name of a release, or there twice",
                  top.place("models"), clipped(name));
  }
  for (const std::string& name : config.without_pipeline) {
    if (names.contains(name)) continue;
    return fail(Code::kInvalid, "{}: without_pipeline: '{}' is not among 'models'",
                top.place("without_pipeline"), clipped(name));
  }
  if (!config.runtime.empty() &&
      (!trust::is_release_name(config.runtime) || names.contains(config.runtime))) {
    return fail(Code::kInvalid, "{}: runtime: '{}' is no name of a release, or that of a model",
                top.place("runtime"), clipped(config.runtime));
  }
  return {};
}

// A service has no folder that a path could be relative to.
Error relative_path(const Settings& section, std::string_view name, std::string_view path) {
  return fail(Code::kInvalid, "{}: {}: a path from '/' on expected, '{}' found",
              section.place(name), name, clipped(path));
}

Result<std::string> path_of(const Settings& section, std::string_view name) {
  const std::string& path = section.string(name);
  if (!path.empty() && path.front() != '/') return relative_path(section, name, path);
  return path;
}

Status read_places(const Settings& top, Config& config) {
  TRY_VALUE(config.folder, path_of(top, "folder"));
  TRY_VALUE(config.root, path_of(top, "root"));
  if (config.folder.empty()) return fail(Code::kInvalid, "{}: folder: empty", top.place("folder"));
  if (config.repository.empty() || config.repository.front() == '/') return {};
  if (const auto url = Url::parse(config.repository); !url.ok())
    return fail(Code::kInvalid, "{}: repository: a URL or a path from '/' on expected: {}",
                top.place("repository"), url.error().message);
  return {};
}

// "127.0.0.1:9464".
Result<int> loopback_port(std::string_view text, const std::string& place) {
  constexpr std::string_view kLoopback = "127.0.0.1:";
  int port = 0;
  if (text.starts_with(kLoopback)) {
    const std::string_view digits = text.substr(kLoopback.size());
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (read.ec == std::errc() && read.ptr == digits.data() + digits.size() && port > 0 &&
        port < 65536)
      return port;
  }
  return fail(Code::kInvalid,
              "{}: '127.0.0.1:PORT' expected, such as '127.0.0.1:9464', '{}' found: metrics are "
              "shown to this machine alone",
              place, clipped(text));
}

Result<ReportConfig> read_reports(const Settings& reports) {
  ReportConfig config{.max_bytes = reports.integer("megabytes") << 20,
                      .every_s = reports.integer("every_s"),
                      .metrics_port = {},
                      .otlp = reports.string("otlp")};
  if (const std::string& metrics = reports.string("metrics"); !metrics.empty()) {
    TRY_VALUE(config.metrics_port, loopback_port(metrics, reports.place("metrics") + ": metrics"));
  }
  while (config.otlp.ends_with('/')) config.otlp.pop_back();
  if (config.otlp.empty()) return config;
  if (const auto url = Url::parse(config.otlp); !url.ok())
    return fail(Code::kInvalid,
                "{}: otlp: a URL expected, such as 'http://collector.example:4318': {}",
                reports.place("otlp"), url.error().message);
  return config;
}

Result<HubConfig> read_hub(const Settings& hub) {
  HubConfig config{.url = hub.string("url"), .token_file = {}, .ca_file = {}};
  TRY_VALUE(config.token_file, path_of(hub, "token_file"));
  TRY_VALUE(config.ca_file, path_of(hub, "ca_file"));
  while (config.url.ends_with('/')) config.url.pop_back();
  if (config.url.empty()) {
    const char* const lonely = !config.token_file.empty() ? "token_file" : "ca_file";
    if (config.token_file.empty() && config.ca_file.empty()) return config;
    return fail(Code::kInvalid, "{}: {}: 'url' says of which hub, and is missing",
                hub.place(lonely), lonely);
  }
  const auto url = Url::parse(config.url);
  const std::string place = hub.place("url") + ": url: 'https://HOST:PORT' expected: ";
  if (!url.ok()) return fail(Code::kInvalid, "{}{}", place, url.error().message);
  if (!url->is_tls || url->target != "/")
    return fail(Code::kInvalid, "{}'{}' found", place, clipped(config.url));
  return config;
}

Status read_sections(const Settings& top, std::string_view file, Config& config) {
  TRY_VALUE(const Settings updates, section(top, "updates", file));
  config.check_every_s = updates.integer("check_every_s");
  config.observe_s = updates.integer("observe_s");
  config.shadow_s = updates.integer("shadow_s");
  TRY_VALUE(config.window, read_window(updates));
  TRY_VALUE(const Settings network, section(top, "network", file));
  TRY_VALUE(config.ca_file, path_of(network, "ca_file"));
  config.download_deadline_s = network.integer("deadline_s");
  config.min_rate_bytes_s = network.integer("min_rate");
  TRY_VALUE(const Settings hub, section(top, "hub", file));
  TRY_VALUE(config.hub, read_hub(hub));
  if (config.repository.empty() && !config.hub.url.empty())
    config.repository = config.hub.url + "/repository";
  TRY_VALUE(const Settings worker, section(top, "worker", file));
  config.worker = {.memory_bytes = worker.integer("memory_mb") << 20,
                   .threads = worker.integer("threads"),
                   .heartbeat_timeout_s = worker.integer("heartbeat_timeout_s"),
                   .crashes = worker.integer("crashes"),
                   .crash_window_s = worker.integer("crash_window_s")};
  TRY_VALUE(const Settings output, section(top, "output", file));
  const std::string& keep = output.string("keep");
  config.output = {.keep = keep == "all"      ? Keep::kAll
                           : keep == "events" ? Keep::kEvents
                                              : Keep::kNothing,
                   .max_bytes = output.integer("megabytes") << 20,
                   .folder = {}};
  TRY_VALUE(config.output.folder, path_of(output, "folder"));
  TRY_VALUE(const Settings reports, section(top, "reports", file));
  TRY_VALUE(config.reports, read_reports(reports));
  // A report is forgotten here once it is taken: by one receiver.
  if (!config.reports.otlp.empty() && !config.hub.url.empty())
    return fail(Code::kInvalid,
                "{}: otlp: the hub takes the reports: leave out 'otlp', or 'url' of [hub]",
                reports.place("otlp"));
  TRY_VALUE(const Settings audit, section(top, "audit", file));
  config.audit_bytes = audit.integer("megabytes") << 20;
  TRY_VALUE(const Settings identity, section(top, "identity", file));
  config.key = identity.string("key");
  config.decryption_key = identity.string("decryption_key");
  for (const auto& [name, key] :
       {std::pair{"key", &config.key}, {"decryption_key", &config.decryption_key}}) {
    if (key->empty()) continue;
    const auto uri = trust::KeyUri::parse(*key);
    if (!uri.ok())
      return fail(Code::kInvalid, "{}: {}: {}", identity.place(name), name, uri.error().message);
    if (uri->place == trust::KeyPlace::kFile && uri->path.front() != '/')
      return relative_path(identity, name, uri->path);
    if (uri->place == trust::KeyPlace::kPkcs11 && key == &config.decryption_key)
      return fail(Code::kInvalid,
                  "{}: {}: 'file:PATH' or 'tpm:0x81000003' expected: a key on a token opens no "
                  "sealed models",
                  identity.place(name), name);
  }
  TRY_VALUE(config.pin_file, path_of(identity, "pin_file"));
  return {};
}

}  // namespace

bool DayWindow::holds(std::int64_t now_s) const {
  const std::int64_t day_s = 86'400;
  const std::int64_t minute = ((now_s % day_s) + day_s) % day_s / 60;
  if (from_min < to_min) return minute >= from_min && minute < to_min;
  return minute >= from_min || minute < to_min;
}

std::string DayWindow::text() const {
  return fmt::format("{:02}:{:02}-{:02}:{:02}", from_min / 60, from_min % 60, to_min / 60,
                     to_min % 60);
}

std::span<const DeviceSetting> Config::settings_of(std::string_view unit) const {
  const auto found = settings.find(unit);
  return found == settings.end() ? std::span<const DeviceSetting>() : found->second;
}

trust::Sha256 Config::settings_digest(std::string_view unit) const {
  if (unit == runtime) return {};
  std::string text = fmt::format("{} {} {} {} {} {}\n{}\n", worker.memory_bytes, worker.threads,
                                 worker.heartbeat_timeout_s, worker.crashes, worker.crash_window_s,
                                 int(output.keep), decryption_key);
  for (const DeviceSetting& setting : settings_of(unit)) text += setting.assignment() + "\n";
  return trust::sha256(text);
}

bool Config::is_folder() const {
  return !repository.empty() && !repository.starts_with("http://") &&
         !repository.starts_with("https://");
}

bool Config::is_of_hub() const { return !hub.url.empty() && repository.starts_with(hub.url + "/"); }

std::string Config::output_folder() const {
  return output.folder.empty() ? folder + "/output" : output.folder;
}

std::string Config::key_uri() const {
  return key.empty() ? "file:" + folder + "/identity/key.pem" : key;
}

std::string Config::decryption_uri() const {
  return decryption_key.empty() ? "file:" + folder + "/identity/decryption.pem" : decryption_key;
}

bool is_device_id(std::string_view id) {
  return id.size() <= kMaxDeviceIdBytes && trust::is_release_name(id);
}

Result<Config> parse_config(std::string_view text, std::string_view file) {
  TRY_VALUE(const TomlValue table, parse_toml(text, file));
  TRY_VALUE(const Settings top, Settings::check(table, kTop, file, "the top level"));
  Config config{.device = top.string("device"),
                .folder = {},
                .models = top.strings("models"),
                .runtime = top.string("runtime"),
                .repository = top.string("repository"),
                .root = {}};
  if (top.find("without_pipeline")) {
    const std::vector<std::string> names = top.strings("without_pipeline");
    config.without_pipeline.insert(names.begin(), names.end());
  }
  TRY(check_names(top, config));
  TRY(read_places(top, config));
  TRY(read_pins(top, config));
  TRY(read_sections(top, file, config));
  TRY_VALUE(config.settings, read_device_settings(top, file, config.models));
  config.file = trust::sha256(text);
  return config;
}

Result<Config> read_config(const std::string& path) {
  TRY_VALUE(const std::string text, read_file(path, kMaxTomlBytes));
  return parse_config(text, path);
}

Config legible_config(std::string_view text) {
  Config config = parse_config("device = \"unknown\"\nmodels = []", "").value();
  config.device = "?";
  while (!text.empty() && text.front() != '[') {  // sections have no such keys
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto line = parse_toml(text.substr(0, end), "");
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto read = [&](const char* key) {
      const TomlValue* value = line.ok() ? line->find(key) : nullptr;
      return value && value->kind == TomlKind::kString ? value->string : std::string();
    };
    if (const std::string device = read("device"); is_device_id(device)) config.device = device;
    if (const std::string folder = read("folder"); folder.starts_with('/')) config.folder = folder;
  }
  return config;
}

std::string config_reference() {
  std::string page =
      "# polderd.toml\n\nGenerated by `polderd reference`; edit the option tables in "
      "`src/agent/config.cpp`.\n\n" +
      options_markdown(kTop);
  for (const Section& part : kSections)
    page += fmt::format("\n## `[{}]`\n\n{}", part.name, options_markdown(part.options));
  return page;
}

}  // namespace polder::agent
