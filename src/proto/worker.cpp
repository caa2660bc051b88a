#include "proto/worker.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "proto/wire.h"
#include "worker_generated.h"

namespace polder::proto {
namespace {

// --- caps: the same for what is sent and what is received ---

Status check_size(std::string_view what, std::size_t size, std::size_t most) {
  if (size <= most) return {};
  return fail(Code::kExhausted, "worker message: {} has {}; {} at most", what, size, most);
}

Error corrupt(std::string_view what) { return fail(Code::kCorrupt, "worker message: {}", what); }

bool is_total(std::uint64_t count) { return count <= kMaxTotal; }
bool is_measure(double value) { return value >= 0 && std::isfinite(value); }

Status check_tolerance(double absolute, double relative) {
  if (is_measure(absolute) && is_measure(relative)) return {};
  return corrupt("a tolerance that cannot be");
}

Status check_names(std::string_view what, const std::vector<std::string>& names, std::size_t most) {
  TRY(check_size(what, names.size(), most));
  for (const std::string& name : names) TRY(check_size("a name", name.size(), kMaxNameBytes));
  return {};
}

Status check(const ModelFile& model) {
  TRY(check_size("a name", model.name.size(), kMaxNameBytes));
  if (!model.content_key.empty() && model.content_key.size() != kContentKeyBytes)
    return corrupt("a content key of another size");
  return check_size("a path", model.path.size(), kMaxPathBytes);
}

Status check(const Start& start) {
  TRY(check_size("a path", start.pipeline.size(), kMaxPathBytes));
  TRY(check_size("models", start.models.size(), kMaxModels));
  for (const ModelFile& model : start.models) TRY(check(model));
  TRY(check_size("settings", start.settings.size(), kMaxSettings));
  for (const std::string& text : start.settings)
    TRY(check_size("a setting", text.size(), kMaxPathBytes));
  TRY(check_size("baselines", start.baselines.size(), kMaxSignals));
  for (const SignalBaseline& baseline : start.baselines) {
    TRY(check_size("a name", baseline.signal.size(), kMaxNameBytes));
    if (!std::ranges::all_of(baseline.edges, [](double edge) { return std::isfinite(edge); }) ||
        !std::ranges::is_sorted(baseline.edges) ||
        !std::ranges::all_of(baseline.counts,
                             [](auto n) { return n >= 0 && is_total(std::uint64_t(n)); }))
      return corrupt("a baseline that cannot be");
  }
  TRY(check_size("shadows", start.shadows.size(), kMaxModels));
  for (const ShadowModel& shadow : start.shadows) {
    TRY(check(shadow.model));
    TRY(check_tolerance(shadow.absolute, shadow.relative));
  }
  if (start.threads < 1 || start.threads > 64 || start.aggregate_ms == 0)
    return corrupt("a number of threads or a time that cannot be");
  return {};
}

Status check(const std::vector<GoldenFile>& files) {
  TRY(check_size("a golden", files.size(), kMaxTensors));
  for (const GoldenFile& file : files) {
    TRY(check_size("a name", file.name.size(), kMaxNameBytes));
    TRY(check_size("a path", file.path.size(), kMaxPathBytes));
  }
  return {};
}

Status check(const Probe& probe) {
  TRY(check(probe.model));
  TRY(check_size("goldens", probe.goldens.size(), kMaxGoldens));
  for (const GoldenCase& golden : probe.goldens) {
    TRY(check_size("a name", golden.name.size(), kMaxNameBytes));
    TRY(check(golden.inputs));
    TRY(check(golden.outputs));
    TRY(check_tolerance(golden.absolute, golden.relative));
  }
  if (probe.threads < 1 || probe.threads > 64 || probe.runs > 10'000)
    return corrupt("a number of threads or runs that cannot be");
  return {};
}

Status check(const Stop&) { return {}; }

Status check(const Ready& ready) {
  TRY(check_names("stages", ready.stages, kMaxStages));
  return check_names("signals", ready.signals, kMaxSignals);
}

Status check(const Heartbeat& beat) {
  return is_total(beat.frames) && is_total(beat.busy_ms) ? Status() : corrupt("a heartbeat");
}

Status check(const Aggregates& all) {
  for (const std::uint64_t total :
       {all.frames, all.encoded_bytes, all.decoded_bytes, all.event_bytes, all.events})
    if (!is_total(total)) return corrupt("a total that cannot be");
  TRY(check_size("classes", all.classes.size(), kMaxClasses));
  TRY(check_size("stages", all.stages.size(), kMaxStages));
  TRY(check_size("signals", all.signals.size(), kMaxSignals));
  for (const ClassCount& count : all.classes)
    if (count.index >= kMaxClasses || !is_total(count.count)) return corrupt("a class");
  for (const StageAggregate& stage : all.stages)
    if (stage.stage >= kMaxStages || !is_total(stage.packets) ||
        stage.latency_ms.count() + stage.latency_ms.refused() > stage.packets)
      return corrupt("a stage");
  for (const SignalAggregate& signal : all.signals)
    if (signal.signal >= kMaxSignals || !std::ranges::all_of(signal.bins, is_total))
      return corrupt("a signal");
  return {};
}

Status check(const Alarm& alarm) {
  if (alarm.signal < kMaxSignals && is_measure(alarm.evidence) && is_measure(alarm.mean_run))
    return {};
  return corrupt("an alarm that cannot be");
}

Status check_end(const std::optional<Code>& error, std::string_view message) {
  if (error && (*error < Code::kInvalid || *error > Code::kTimeout))
    return corrupt("an error of no kind");
  return check_size("an error's text", message.size(), kMaxErrorBytes);
}

Status check(const ProbeResult& result) {
  if (!is_measure(result.p99_ms) || !is_total(result.memory_bytes) ||
      result.golden_count > kMaxGoldens)
    return corrupt("a result that cannot be");
  return check_end(result.error, result.message);
}

Status check(const Ended& ended) {
  if (ended.by_shadow && !ended.error) return corrupt("a shadow's error that is none");
  return check_end(ended.error, ended.message);
}

// --- to bytes ---

auto strings(Builder& builder, const std::vector<std::string>& texts) {
  return each(builder, texts, [&](const std::string& text) { return builder.CreateString(text); });
}

auto write(Builder& to, const ModelFile& model) {
  const auto name = to.CreateString(model.name), path = to.CreateString(model.path);
  if (model.content_key.empty()) return wire::CreateModel(to, name, path);
  const auto* key = reinterpret_cast<const std::uint8_t*>(model.content_key.view().data());
  return wire::CreateModel(to, name, path, to.CreateVector(key, model.content_key.size()));
}

auto write(Builder& to, const Start& start) {
  const auto baseline = [&](const SignalBaseline& from) {
    return wire::CreateBaseline(to, to.CreateString(from.signal),
                                to.CreateVector(from.edges.data(), from.edges.size()),
                                to.CreateVector(from.counts.data(), from.counts.size()));
  };
  const auto models =
      each(to, start.models, [&](const ModelFile& model) { return write(to, model); });
  const auto baselines = each(to, start.baselines, baseline);
  const auto settings = strings(to, start.settings);
  const auto shadows = each(to, start.shadows, [&](const ShadowModel& shadow) {
    return wire::CreateShadow(to, write(to, shadow.model), shadow.absolute, shadow.relative);
  });
  return wire::CreateStart(to, to.CreateString(start.pipeline), models, settings, baselines,
                           start.threads, start.aggregate_ms, start.keep_raw, shadows,
                           start.has_output);
}

auto write(Builder& to, const std::vector<GoldenFile>& files) {
  return each(to, files, [&](const GoldenFile& file) {
    return wire::CreateGoldenTensor(to, to.CreateString(file.name), to.CreateString(file.path));
  });
}

auto write(Builder& to, const Probe& probe) {
  const auto goldens = each(to, probe.goldens, [&](const GoldenCase& golden) {
    const auto inputs = write(to, golden.inputs), outputs = write(to, golden.outputs);
    return wire::CreateGolden(to, to.CreateString(golden.name), inputs, outputs, golden.absolute,
                              golden.relative);
  });
  return wire::CreateProbe(to, write(to, probe.model), goldens, probe.threads, probe.runs);
}

auto write(Builder& to, const Stop&) { return wire::CreateStop(to); }

auto write(Builder& to, const Ready& ready) {
  const auto stages = strings(to, ready.stages), signals = strings(to, ready.signals);
  return wire::CreateReady(to, stages, signals);
}

auto write(Builder& to, const Heartbeat& beat) {
  return wire::CreateHeartbeat(to, beat.frames, beat.busy_ms);
}

auto write(Builder& to, const telemetry::Sketch& sketch) {
  return write_sketch(to, sketch, wire::CreateSketch);
}

auto write(Builder& to, const Aggregates& all) {
  const auto classes = each(to, all.classes, [&](const ClassCount& count) {
    return wire::CreateClassCount(to, count.index, count.count);
  });
  const auto stages = each(to, all.stages, [&](const StageAggregate& stage) {
    return wire::CreateStage(to, stage.stage, stage.packets, write(to, stage.latency_ms));
  });
  const auto signals = each(to, all.signals, [&](const SignalAggregate& signal) {
    const auto values = write(to, signal.values);
    return wire::CreateSignal(to, signal.signal, values,
                              to.CreateVector(signal.bins.data(), signal.bins.size()));
  });
  return wire::CreateAggregates(to, all.frames, all.encoded_bytes, all.decoded_bytes,
                                all.event_bytes, all.events, classes, stages, signals);
}

auto write(Builder& to, const Alarm& alarm) {
  return wire::CreateAlarm(to, alarm.signal, alarm.evidence, alarm.mean_run);
}

std::uint8_t code_number(const std::optional<Code>& error) {
  return error ? std::uint8_t(*error) : 0;
}

auto write(Builder& to, const ProbeResult& result) {
  return wire::CreateProbeResult(to, code_number(result.error),
                                 to.CreateString(printable(result.message, kMaxErrorBytes)),
                                 result.golden_count, result.p99_ms, result.memory_bytes);
}

auto write(Builder& to, const Ended& ended) {
  return wire::CreateEnded(to, code_number(ended.error),
                           to.CreateString(printable(ended.message, kMaxErrorBytes)),
                           ended.by_shadow);
}

template <class T>
wire::Body body_type(Offset<T>) {
  return wire::BodyTraits<T>::enum_value;
}

// The texts of errors are cut and so never above their cap.
template <class T>
T cut(T message) {
  if constexpr (requires { message.error; })
    message.message = printable(message.message, kMaxErrorBytes);
  return message;
}

// What a builder has outgrown holds keys, too.
class WipingAllocator final : public flatbuffers::DefaultAllocator {
 public:
  void deallocate(std::uint8_t* bytes, std::size_t size) override {
    wipe({reinterpret_cast<char*>(bytes), size});
    flatbuffers::DefaultAllocator::deallocate(bytes, size);
  }
};

template <class T>
Result<std::string> encode_one(const T& given) {
  const T message = cut(given);
  TRY(check(message));
  WipingAllocator allocator;
  Builder to(1024, &allocator);
  const auto body = write(to, message);
  to.Finish(wire::CreateMessage(to, body_type(body), body.Union()), wire::MessageIdentifier());
  TRY(check_size("it", to.GetSize(), kMaxWorkerMessageBytes));
  return std::string(reinterpret_cast<const char*>(to.GetBufferPointer()), to.GetSize());
}

// --- from bytes ---

std::vector<std::string> texts(const Strings& list) {
  std::vector<std::string> out;
  for (const auto* text : list) out.push_back(text->str());
  return out;
}

ModelFile read(const wire::Model& from) {
  ModelFile model{from.name()->str(), from.path()->str(), {}};
  if (const auto* key = from.content_key())
    model.content_key =
        WipedBytes({reinterpret_cast<const char*>(key->Data()), std::size_t(key->size())});
  return model;
}

Result<Start> read(const wire::Start& from) {
  Start start{.pipeline = from.pipeline()->str(),
              .settings = texts(*from.settings()),
              .threads = from.threads(),
              .aggregate_ms = from.aggregate_ms(),
              .has_output = from.has_output(),
              .keep_raw = from.keep_raw()};
  if (const auto* shadows = from.shadows())
    for (const wire::Shadow* shadow : *shadows)
      start.shadows.push_back({read(*shadow->model()), shadow->absolute(), shadow->relative()});
  for (const wire::Model* model : *from.models()) start.models.push_back(read(*model));
  for (const wire::Baseline* baseline : *from.baselines()) {
    SignalBaseline& to = start.baselines.emplace_back();
    const auto edges = numbers(*baseline->edges());
    const auto counts = numbers(*baseline->counts());
    if (edges.size() != to.edges.size() || counts.size() != to.counts.size())
      return corrupt("a baseline of another number of bins");
    to.signal = baseline->signal()->str();
    std::ranges::copy(edges, to.edges.begin());
    std::ranges::copy(counts, to.counts.begin());
  }
  return start;
}

std::vector<GoldenFile> read(const Vector<Offset<wire::GoldenTensor>>& files) {
  std::vector<GoldenFile> out;
  for (const wire::GoldenTensor* file : files)
    out.push_back({file->name()->str(), file->path()->str()});
  return out;
}

Result<Probe> read(const wire::Probe& from) {
  Probe probe{.model = read(*from.model()), .threads = from.threads(), .runs = from.runs()};
  for (const wire::Golden* golden : *from.goldens())
    probe.goldens.push_back({golden->name()->str(), read(*golden->inputs()),
                             read(*golden->outputs()), golden->absolute(), golden->relative()});
  return probe;
}

Result<Stop> read(const wire::Stop&) { return Stop(); }

Result<Ready> read(const wire::Ready& from) {
  Ready ready{texts(*from.stages()), texts(*from.signals())};
  for (auto* names : {&ready.stages, &ready.signals})
    for (std::string& name : *names)
      if (name != printable(name, kMaxNameBytes)) return corrupt("a name that cannot be shown");
  return ready;
}

Result<Heartbeat> read(const wire::Heartbeat& from) {
  return Heartbeat{from.frames(), from.busy_ms()};
}

Result<Aggregates> read(const wire::Aggregates& from) {
  Aggregates all{.frames = from.frames(),
                 .encoded_bytes = from.encoded_bytes(),
                 .decoded_bytes = from.decoded_bytes(),
                 .event_bytes = from.event_bytes(),
                 .events = from.events()};
  // Before anything is made of them: an empty table costs the sender four bytes.
  TRY(check_size("stages", from.stages()->size(), kMaxStages));
  TRY(check_size("signals", from.signals()->size(), kMaxSignals));
  for (const wire::ClassCount* count : *from.classes())
    all.classes.push_back({count->index(), count->count()});
  for (const wire::Stage* stage : *from.stages()) {
    TRY_VALUE(telemetry::Sketch sketch, read_sketch(*stage->latency_ms()));
    all.stages.push_back({stage->stage(), stage->packets(), std::move(sketch)});
  }
  for (const wire::Signal* signal : *from.signals()) {
    TRY_VALUE(telemetry::Sketch sketch, read_sketch(*signal->values()));
    SignalAggregate& to = all.signals.emplace_back();
    to.signal = signal->signal();
    to.values = std::move(sketch);
    const auto bins = numbers(*signal->bins());
    if (bins.size() != to.bins.size()) return corrupt("a signal of another number of bins");
    std::ranges::copy(bins, to.bins.begin());
  }
  return all;
}

Result<Alarm> read(const wire::Alarm& from) {
  return Alarm{from.signal(), from.evidence(), from.mean_run()};
}

std::optional<Code> code_of(std::uint8_t number) {
  return number == 0 ? std::nullopt : std::optional(Code(number));
}

Result<ProbeResult> read(const wire::ProbeResult& from) {
  return ProbeResult{code_of(from.code()), printable(from.message()->string_view(), SIZE_MAX),
                     from.golden_count(), from.p99_ms(), from.memory_bytes()};
}

Result<Ended> read(const wire::Ended& from) {
  return Ended{code_of(from.code()), printable(from.message()->string_view(), SIZE_MAX),
               from.by_shadow()};
}

template <class Message, class T>
Result<Message> decode_one(const wire::Message& message) {
  auto body = read(*static_cast<const T*>(message.body()));
  if (!body) return std::move(body).error();
  TRY(check(*body));
  return Message(std::move(*body));
}

// The limits of the verifier are those of an honest message's size.
using Verified = VerifiedAs<wire::Message>;

Result<Verified> verify(std::string_view bytes) {
  TRY(check_size("it", bytes.size(), kMaxWorkerMessageBytes));
  Verified out(bytes, wire::VerifyMessageBuffer, wire::GetMessage);
  if (!out.message) return corrupt("not a message of this protocol");
  return out;
}

Result<ToWorker> to_worker(const wire::Message& message) {
  switch (message.body_type()) {
    case wire::Body::Start: return decode_one<ToWorker, wire::Start>(message);
    case wire::Body::Probe: return decode_one<ToWorker, wire::Probe>(message);
    case wire::Body::Stop: return decode_one<ToWorker, wire::Stop>(message);
    default: return corrupt("not one to a worker");
  }
}

}  // namespace

Result<std::string> encode(const ToWorker& message) {
  return std::visit([](const auto& body) { return encode_one(body); }, message);
}

Result<std::string> encode(const FromWorker& message) {
  return std::visit([](const auto& body) { return encode_one(body); }, message);
}

Result<ToWorker> decode_to_worker(std::string_view bytes) {
  TRY_VALUE(Verified verified, verify(bytes));
  Result<ToWorker> message = to_worker(*verified.message);
  wipe({reinterpret_cast<char*>(verified.words.data()), verified.words.size() * 8});
  return message;
}

Result<FromWorker> decode_from_worker(std::string_view bytes) {
  TRY_VALUE(const Verified verified, verify(bytes));
  const wire::Message& message = *verified.message;
  switch (message.body_type()) {
    case wire::Body::Ready: return decode_one<FromWorker, wire::Ready>(message);
    case wire::Body::Heartbeat: return decode_one<FromWorker, wire::Heartbeat>(message);
    case wire::Body::Aggregates: return decode_one<FromWorker, wire::Aggregates>(message);
    case wire::Body::Alarm: return decode_one<FromWorker, wire::Alarm>(message);
    case wire::Body::ProbeResult: return decode_one<FromWorker, wire::ProbeResult>(message);
    case wire::Body::Ended: return decode_one<FromWorker, wire::Ended>(message);
    default: return corrupt("not one from a worker");
  }
}

}  // namespace polder::proto
