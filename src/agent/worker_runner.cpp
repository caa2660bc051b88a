#include "agent/worker_runner.h"

#include <algorithm>
#include <utility>

#include "agent/device_pin.h"
#include "agent/probe.h"
#include "agent/sealed_models.h"
#include "base/fail.h"
#include "platform/sanitized.h"

namespace polder::agent {

namespace {

WorkerPolicy policy_of(const Config& config, const std::string& program) {
  WorkerPolicy policy;
  policy.command = {program, "worker"};
#ifndef POLDER_SANITIZED  // sanitizers reserve terabytes of addresses
  policy.memory_bytes = std::uint64_t(config.worker.memory_bytes);
#endif
  policy.heartbeat_timeout_ms = policy.busy_timeout_ms = config.worker.heartbeat_timeout_s * 1000;
  policy.crashes = int(config.worker.crashes);
  policy.crash_window_ms = config.worker.crash_window_s * 1000;
  return policy;
}

UnitWindow window_of(const std::string& unit, const ReleaseId& release, Supervisor& supervisor) {
  return {unit, release, supervisor.job().baselines, supervisor.take_window(),
          supervisor.take_alarms()};
}

// Of a model without goldens: what may differ between two that are said to be as good.
constexpr double kAbsolute = 1e-3, kRelative = 1e-3;

// The tolerance is the largest of the model's goldens.
proto::ShadowModel shadow_model(const trust::Manifest& manifest, proto::ModelFile file) {
  proto::ShadowModel shadow{.model = std::move(file)};
  bool has_golden = false;
  for (const trust::Golden& golden : manifest.goldens) {
    if (golden.artifact != shadow.model.name) continue;
    has_golden = true;
    shadow.absolute = std::max(shadow.absolute, golden.absolute);
    shadow.relative = std::max(shadow.relative, golden.relative);
  }
  if (!has_golden) shadow.absolute = kAbsolute, shadow.relative = kRelative;
  return shadow;
}

// Sums come with each aggregate; a report that is due has those of just before.
constexpr std::int64_t kLongestAggregateMs = 60'000;

}  // namespace

WorkerRunner::WorkerRunner(const Config& config, Slots& slots, Storage& storage,
                           Processes& processes, Clock& clock, const std::string& program,
                           Happened happened)
    : config_(config),
      slots_(slots),
      storage_(storage),
      processes_(processes),
      clock_(clock),
      policy_(policy_of(config, program)),
      happened_(std::move(happened)) {}

std::vector<UnitWindow> WorkerRunner::take_windows() {
  std::vector<UnitWindow> windows = std::exchange(retired_, {});
  for (auto& [unit, worker] : workers_) {
    if (worker.supervisor) windows.push_back(window_of(unit, worker.release, *worker.supervisor));
  }
  return windows;
}

void WorkerRunner::retire(const std::string& unit, Worker& worker) {
  if (worker.supervisor) {
    worker.supervisor->stop();
    if (worker.shadow) {
      const ShadowResult result = *shadow_result(unit);
      shadow_results_.insert_or_assign(unit, result);
      if (happened_)
        happened_({.act = trust::Act::kNote,
                   .object = worker.shadow->release.text(),
                   .text = result.text(),
                   .unit = unit,
                   .release = worker.shadow->release,
                   .says_worker = true});
    }
    if (retired_.size() == kMaxUnits) retired_.erase(retired_.begin());
    retired_.push_back(window_of(unit, worker.release, *worker.supervisor));
  }
  worker = {};
}

Result<proto::ModelFile> WorkerRunner::open_model(const StagedModel& model) const {
  proto::ModelFile file{model.artifact.name, path(model.name), {}};
  if (!model.artifact.sealed) return file;
  TRY_VALUE(const auto device, open_device_decrypter(config_, storage_));
  TRY_VALUE(const trust::ContentKey key, content_key_of(storage_, model.artifact, *device));
  file.content_key = WipedBytes(key.bytes().view());
  return file;
}

FillKeys WorkerRunner::fill_keys(std::vector<StagedModel> models) const {
  std::erase_if(models, [](const StagedModel& model) { return !model.artifact.sealed; });
  if (models.empty()) return {};
  return [this, models = std::move(models)](proto::Start& job) -> Status {
    std::vector<proto::ModelFile*> files;
    for (proto::ModelFile& file : job.models) files.push_back(&file);
    for (proto::ShadowModel& shadow : job.shadows) files.push_back(&shadow.model);
    for (proto::ModelFile* file : files) {
      const auto is_it = [&](const StagedModel& model) { return path(model.name) == file->path; };
      const auto found = std::find_if(models.begin(), models.end(), is_it);
      if (found == models.end()) continue;
      TRY_VALUE(*file, open_model(*found));
    }
    return {};
  };
}

OutputPlace WorkerRunner::output_of(const std::string& unit) const {
  if (config_.output.keep == Keep::kNothing) return {};
  return {output_folder(unit), std::uint64_t(config_.output.max_bytes)};
}

proto::Start WorkerRunner::job_of(const std::string& unit, const StagedRelease& staged) const {
  proto::Start start{.pipeline = path(staged.pipeline()), .threads = int(config_.worker.threads)};
  start.aggregate_ms = std::uint32_t(std::min(config_.reports.every_s * 1000, kLongestAggregateMs));
  for (const DeviceSetting& setting : config_.settings_of(unit))
    start.settings.push_back(setting.assignment());
  start.keep_raw = config_.output.keep == Keep::kAll;
  for (const StagedModel& model : staged.models)
    start.models.push_back({model.artifact.name, path(model.name), {}});
  for (const trust::Baseline& baseline : staged.manifest.baselines)
    start.baselines.push_back({baseline.signal, baseline.edges, baseline.counts});
  return start;
}

Status WorkerRunner::check_settings(const std::string& unit, const StagedRelease& staged) const {
  if (!staged.manifest.pipeline || config_.settings_of(unit).empty()) return {};
  TRY_VALUE(const std::string text, read_stored(storage_, staged.pipeline(), kMaxTomlBytes));
  return check_device_settings(text, config_.settings_of(unit));
}

Status WorkerRunner::find_inputs(const std::string& unit, const StagedRelease& staged) const {
  if (!staged.manifest.pipeline) return {};
  TRY_VALUE(const std::string text, read_stored(storage_, staged.pipeline(), kMaxTomlBytes));
  const auto& files = staged.manifest.pipeline->files;
  return find_device_inputs(text, unit, config_.settings_of(unit),
                            [&](const std::string& name) { return files.contains(name); });
}

Status WorkerRunner::probe(const std::string& unit, Slot slot, const ReleaseId& release,
                           const Alive& alive) {
  // What the disk did to it is no fault of the release, and neither is what its owner can mend: it
  // is tried again.
  auto opened = slots_.open(unit, slot, release);
  if (!opened.ok()) return Error{Code::kUnavailable, opened.error().message};
  const StagedRelease& staged = *opened;
  Status fits = check_settings(unit, staged);
  if (fits.ok()) fits = find_inputs(unit, staged);
  if (!fits.ok()) return Error{Code::kUnavailable, fits.error().message};
  return probe_release(
      staged, storage_, processes_, clock_, policy_,
      [this](const StagedModel& model) { return open_model(model); }, alive);
}

Status WorkerRunner::run(const std::string& unit, Slot slot, const ReleaseId& release) {
  Worker& worker = workers_[unit];
  if (worker.slot == slot && worker.release == release) return {};
  retire(unit, worker);
  worker.slot = slot;
  worker.release = release;
  Status started = start(unit, worker);
  if (!started.ok()) {
    worker.problem = started.error().message;
    worker.slot = Slot::kNone;  // asked again, it is tried again
  }
  return started;
}

Status WorkerRunner::start(const std::string& unit, Worker& worker) {
  TRY_VALUE(const StagedRelease staged, slots_.open(unit, worker.slot, worker.release));
  if (!staged.manifest.pipeline) return {};  // nothing runs; the models are for others to open
  TRY(check_settings(unit, staged));
  if (config_.output.keep != Keep::kNothing) {
    // Without it a pipeline goes on, and what it writes is counted as lost.
    for (const std::string& folder : {config_.output_folder(), output_folder(unit)}) {
      if (const auto made = DiskStorage::at(folder); !made.ok() && happened_)
        happened_({trust::Act::kNote, unit, made.error().message});
    }
  }
  proto::Start job = job_of(unit, staged);
  FillKeys keys = fill_keys(staged.models);
  // Without its keys it is not begun.
  if (proto::Start with_keys = job; keys) TRY(keys(with_keys));
  TRY_VALUE(ReleaseNames names, release_names(storage_, staged));
  if (!names.trouble.empty() && happened_)
    happened_({trust::Act::kNote, unit, "classes go by number: " + names.trouble});
  worker.supervisor = std::make_unique<Supervisor>(processes_, clock_, policy_);
  worker.supervisor->run(std::move(job), std::move(names), std::move(keys), output_of(unit));
  return {};
}

void WorkerRunner::stop(const std::string& unit) {
  const auto found = workers_.find(unit);
  if (found == workers_.end()) return;
  retire(unit, found->second);
  workers_.erase(found);
}

Status WorkerRunner::shadow(const std::string& unit, Slot slot, const ReleaseId& release) {
  Worker& worker = workers_[unit];
  if (!worker.shadow || worker.shadow->release != release)
    return begin_shadow(unit, worker, slot, release);
  // One end is enough: whether the old one has a fault of its own is not to be found out with it.
  const Supervisor& supervisor = *worker.supervisor;
  if (supervisor.total().crashes == 0 && !supervisor.is_hindered()) return {};
  const Code code =
      supervisor.is_by_shadow() ? supervisor.code().value_or(Code::kCorrupt) : Code::kUnavailable;
  return fail(code, "in shadow, beside {}: {}", worker.release.text(), supervisor.reason());
}

Status WorkerRunner::begin_shadow(const std::string& unit, Worker& worker, Slot slot,
                                  const ReleaseId& release) {
  if (!worker.supervisor) return fail(Code::kUnsupported, "no pipeline runs that it could see");
  // It may be what mends the one that does not run.
  if (worker.supervisor->is_crash_loop() || worker.supervisor->phase() == WorkerPhase::kWaiting) {
    const bool runs = worker.supervisor->has_recovered();
    return fail(Code::kUnsupported, "{} {}: {}", worker.release.text(),
                runs ? "crashed again and again of late, and runs again" : "does not run",
                worker.supervisor->reason());
  }
  TRY_VALUE(const StagedRelease staged, slots_.open(unit, slot, release));
  TRY_VALUE(const StagedRelease old, slots_.open(unit, worker.slot, worker.release));
  proto::Start job = worker.supervisor->job();
  TRY_VALUE(job.shadows, shadows_of(job, staged));
  TRY_VALUE(ReleaseNames names, release_names(storage_, old));
  std::vector<StagedModel> models = old.models;
  models.insert(models.end(), staged.models.begin(), staged.models.end());
  const Slot old_slot = worker.slot;
  const ReleaseId old_release = worker.release;
  worker.supervisor->stop();
  Shadow shadow{release, worker.supervisor->total()};
  retire(unit, worker);
  worker.slot = old_slot;
  worker.release = old_release;
  worker.shadow = std::move(shadow);
  // Each may have what it would have alone.
  WorkerPolicy policy = policy_;
  policy.memory_bytes *= 2;
  worker.supervisor = std::make_unique<Supervisor>(processes_, clock_, std::move(policy));
  worker.supervisor->run(std::move(job), std::move(names), fill_keys(std::move(models)),
                         output_of(unit));
  return {};
}

// The models that both releases have.
Result<std::vector<proto::ShadowModel>> WorkerRunner::shadows_of(
    const proto::Start& job, const StagedRelease& staged) const {
  std::vector<proto::ShadowModel> shadows;
  for (const proto::ModelFile& model : job.models) {
    const StagedModel* found = staged.find_model(model.name);
    if (!found) continue;
    auto file = open_model(*found);
    // As in a probe: who may open it is no fault of the release.
    if (!file.ok()) return Error{Code::kUnavailable, file.error().message};
    file->content_key = {};
    shadows.push_back(shadow_model(staged.manifest, std::move(*file)));
  }
  if (shadows.empty())
    return fail(Code::kUnsupported, "none of its models has the name of one that runs");
  return shadows;
}

void WorkerRunner::end_shadow(const std::string& unit) {
  const auto found = workers_.find(unit);
  if (found == workers_.end() || !found->second.shadow) return;
  const Slot slot = found->second.slot;
  const ReleaseId release = found->second.release;
  retire(unit, found->second);
  // What hinders it is the unit's health from now on.
  static_cast<void>(run(unit, slot, release));
}

std::optional<ShadowResult> WorkerRunner::shadow_result(const std::string& unit) const {
  const auto found = workers_.find(unit);
  if (found != workers_.end() && found->second.shadow) {
    const Worker& worker = found->second;
    const Supervisor& supervisor = *worker.supervisor;
    ShadowResult result =
        agent::shadow_result(supervisor.job().shadows, worker.shadow->alone, supervisor.total());
    result.release = worker.shadow->release.text();
    result.beside = worker.release.text();
    if (supervisor.total().crashes > 0) result.failure = supervisor.reason();
    return result;
  }
  const auto over = shadow_results_.find(unit);
  return over == shadow_results_.end() ? std::nullopt : std::optional(over->second);
}

void WorkerRunner::poll() {
  for (auto& [unit, worker] : workers_) {
    if (!worker.supervisor) continue;
    worker.supervisor->poll();
    if (worker.supervisor->phase() == WorkerPhase::kEnded) continue;  // a recording has its end
    // No failure of this release: shadow() tells, of the one beside it.
    if (worker.shadow && worker.supervisor->is_by_shadow()) continue;
    const std::string& reason = worker.supervisor->reason();
    const std::string told =
        reason.empty() ? ""
                       : fmt::format("{} (start {})", reason, worker.supervisor->failed_start());
    if (worker.has_failed && worker.supervisor->has_recovered()) {
      worker.has_failed = false;
      if (happened_) happened_({trust::Act::kNote, worker.release.text(), "runs again"});
    }
    if (told == worker.told) continue;
    worker.told = told;
    worker.has_failed = !told.empty();
    if (!told.empty() && happened_)
      happened_({.act = trust::Act::kWorkerFailed,
                 .object = worker.release.text(),
                 .text = told,
                 .unit = unit,
                 .release = worker.release,
                 .says_worker = true,
                 .repeats = worker.supervisor->failures_in_a_row() > 1});
  }
}

UnitHealth WorkerRunner::health(const std::string& unit) {
  UnitHealth health = judge(unit);
  const auto found = workers_.find(unit);
  if (found != workers_.end() && found->second.supervisor)
    health.next_start_us = found->second.supervisor->next_start_us();
  return health;
}

UnitHealth WorkerRunner::judge(const std::string& unit) const {
  const auto found = workers_.find(unit);
  if (found == workers_.end()) return {Health::kFailed, "nothing runs"};
  if (!found->second.problem.empty()) return {Health::kFailed, found->second.problem};
  const Supervisor* supervisor = found->second.supervisor.get();
  if (found->second.slot == Slot::kNone) return {Health::kFailed, "its slot cannot be opened"};
  if (!supervisor) {
    const bool is_meant = config_.without_pipeline.contains(unit);
    return {Health::kWell, is_meant ? "" : "nothing runs: this release has no pipeline"};
  }
  if (supervisor->is_crash_loop() && !supervisor->has_recovered())
    return {Health::kFailed, "crash loop: " + supervisor->reason(), supervisor->code(), true};
  if (supervisor->is_hindered())
    return {Health::kFailed, "cannot be started: " + supervisor->reason(), supervisor->code()};
  const WorkerPhase phase = supervisor->phase();
  const bool well = phase == WorkerPhase::kRunning || phase == WorkerPhase::kEnded;
  return {.health = well ? Health::kWell : Health::kStarting,
          .code = supervisor->code(),
          .is_crash_loop = supervisor->is_crash_loop(),
          .failed_start = supervisor->failed_start()};
}

std::optional<KeptCounts> WorkerRunner::output(const std::string& unit) const {
  const auto found = workers_.find(unit);
  if (config_.output.keep == Keep::kNothing || found == workers_.end() || !found->second.supervisor)
    return std::nullopt;
  const Observed& seen = found->second.supervisor->total();
  return KeptCounts{seen.kept_bytes, seen.dropped_bytes, seen.lost_bytes};
}

}  // namespace polder::agent
