#include "worker_seeds.h"

#include "agent/shadow.h"
#include "base/fail.h"
#include "platform/file.h"
#include "proto/output.h"
#include "proto/worker.h"

namespace polder::fuzz {
namespace {

constexpr char kModel[] = "detector";

template <class Message>
int write(const std::string& path, const Message& message) {
  const auto bytes = proto::encode(message);
  return bytes.ok() && write_file_atomic(path, *bytes).ok() ? 1 : 0;
}

proto::ToWorker start(bool is_sealed) {
  const WipedBytes key(is_sealed ? std::string(proto::kContentKeyBytes, 'k') : std::string());
  return proto::Start{.pipeline = "/slots/people/a/pipeline.toml",
                      .models = {{kModel, "/slots/people/a/detector.plan", key}},
                      .shadows = {{{kModel, "/slots/people/b/detector.plan", key}, 1e-3, 1e-2}}};
}

proto::FromWorker aggregates() {
  proto::Aggregates all{.frames = 3};
  for (const std::uint16_t i : {std::uint16_t(0), std::uint16_t(1)}) {
    proto::StageAggregate& stage = all.stages.emplace_back();
    stage.stage = i;
    stage.packets = 3;
    proto::SignalAggregate& signal = all.signals.emplace_back();
    signal.signal = i;
    for (const double value : {0.0, 0.5, 1.0}) {
      stage.latency_ms.add(value);
      signal.values.add(value);
    }
  }
  return all;
}

}  // namespace

int write_worker_seeds(const std::string& folder) {
  const std::string model(kModel);
  const proto::FromWorker ready =
      proto::Ready{{agent::shadow_old_stage(model), agent::shadow_new_stage(model)},
                   {agent::shadow_agreement(model), agent::shadow_difference(model)}};
  const proto::FromWorker ended =
      proto::Ended{Code::kUnsupported, "'detector': inputs 'x' is i64 [1] instead of 'x'", true};
  return write(folder + "/shadow_start", start(false)) +
         write(folder + "/shadow_sealed_start", start(true)) +
         write(folder + "/shadow_ready", ready) +
         write(folder + "/shadow_aggregates", aggregates()) +
         write(folder + "/shadow_ended", ended);
}

int write_output_seeds(const std::string& folder) {
  const proto::ToOutput create = proto::CreateFile{"events.jsonl", true},
                        piece = proto::WriteFile{1, 40'000, "{\"event\":1}\n"},
                        commit = proto::CommitFile{1};
  return write(folder + "/create", create) + write(folder + "/write", piece) +
         write(folder + "/commit", commit);
}

}  // namespace polder::fuzz
