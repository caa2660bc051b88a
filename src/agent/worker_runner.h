// The processes of the units, as the driver sees them: a supervised worker for each, and a worker
// of its own for a probe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/kept_output.h"
#include "agent/shadow.h"
#include "agent/slots.h"
#include "agent/supervisor.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "proto/worker.h"

namespace polder::agent {

using Happened = std::function<void(const Occurrence&)>;

// Borrows all that is given by reference. Not thread-safe.
class WorkerRunner final : public Runner, public UnitSource {
 public:
  // `program` is polderd: its workers are the same program, kThisProgram.
  WorkerRunner(const Config& config, Slots& slots, Storage& storage, Processes& processes,
               Clock& clock, const std::string& program, Happened happened);

  Status probe(const std::string& unit, Slot slot, const ReleaseId& release,
               const Alive& alive) override;
  Status run(const std::string& unit, Slot slot, const ReleaseId& release) override;
  void stop(const std::string& unit) override;
  Status shadow(const std::string& unit, Slot slot, const ReleaseId& release) override;
  void end_shadow(const std::string& unit) override;
  void poll() override;
  UnitHealth health(const std::string& unit) override;
  // Of what the unit's sinks have written since it was started; nothing where none is kept.
  std::optional<KeptCounts> output(const std::string& unit) const;
  // Of the unit's shadow that runs, or else of its last; nothing when this process had none.
  std::optional<ShadowResult> shadow_result(const std::string& unit) const;
  std::vector<UnitWindow> take_windows() override;

 private:
  struct Shadow {
    ReleaseId release;
    Observed alone;  // what the old one reported before
  };
  struct Worker {
    std::unique_ptr<Supervisor> supervisor;  // none: the release has no pipeline
    Slot slot = Slot::kNone;
    ReleaseId release;
    std::optional<Shadow> shadow;  // the release that runs beside
    std::string told;              // the last failure that was told
    bool has_failed = false;       // told, and not that it runs again
    std::string problem;           // why it cannot be started at all; empty: it can
  };

  UnitHealth judge(const std::string& unit) const;
  Result<proto::ModelFile> open_model(const StagedModel& model) const;
  // For a job with some of these models; nothing when none is sealed.
  FillKeys fill_keys(std::vector<StagedModel> models) const;
  OutputPlace output_of(const std::string& unit) const;
  // Without content keys.
  proto::Start job_of(const std::string& unit, const StagedRelease& staged) const;
  Status check_settings(const std::string& unit, const StagedRelease& staged) const;
  Status find_inputs(const std::string& unit, const StagedRelease& staged) const;
  Status start(const std::string& unit, Worker& worker);
  Status begin_shadow(const std::string& unit, Worker& worker, Slot slot, const ReleaseId& release);
  Result<std::vector<proto::ShadowModel>> shadows_of(const proto::Start& job,
                                                     const StagedRelease& staged) const;
  // Ends it, and keeps the last that it has said.
  void retire(const std::string& unit, Worker& worker);
  std::string path(const std::string& name) const { return storage_.path(name); }
  std::string output_folder(const std::string& unit) const {
    return config_.output_folder() + "/" + unit;
  }

  const Config& config_;
  Slots& slots_;
  Storage& storage_;
  Processes& processes_;
  Clock& clock_;
  WorkerPolicy policy_;
  Happened happened_;
  std::map<std::string, Worker> workers_;
  std::vector<UnitWindow> retired_;                     // not taken yet
  std::map<std::string, ShadowResult> shadow_results_;  // of shadows that are over
};

}  // namespace polder::agent
