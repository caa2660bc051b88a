// A real pipeline with a real plan, in a confined process, under its supervisor.
#include "agent/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "agent/shadow.h"
#include "agent/supervisor.h"
#include "platform/confine_files.h"
#include "platform/file.h"
#include "platform/random_access.h"
#include "platform/sanitized.h"
#include "trust/sealed_file.h"

namespace polder::agent {
namespace {

constexpr char kPipeline[] = R"([pipeline]
name = "loudness"

[[node]]
name = "microphone"
type = "wav_file"
path = "sound.wav"

[[node]]
name = "window"
type = "audio_window"
inputs = ["microphone"]

[[node]]
name = "infer"
type = "infer"
inputs = ["window"]
model = "loudness"

[[node]]
name = "speech"
type = "vad_smooth"
inputs = ["infer"]

[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
path = "events.jsonl"
)";
constexpr int kBlocks = 10;

class Worker : public testing::Test {
 protected:
  void SetUp() override {
    auto child = processes_.start({.command = {"/bin/true"}});
    if (!child.ok() && child.error().code == Code::kUnsupported)
      GTEST_SKIP() << child.error().message;
    folder_ =
        std::filesystem::temp_directory_path() / ("polder-worker-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "pipeline.toml") << kPipeline;
    write_sound();
    job_ = {.pipeline = folder_ / "pipeline.toml",
            .models = {{"loudness", POLDER_SOURCE_DIR "/tests/data/agent/loudness.plan"}},
            .aggregate_ms = 20};
    policy_.command = {POLDER_WORKER};
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  // 16-bit samples of +-0.5 at 16 kHz.
  void write_sound(int blocks = kBlocks) {
    const auto u32 = [](std::uint32_t n) { return std::string(reinterpret_cast<char*>(&n), 4); };
    const auto u16 = [](std::uint16_t n) { return std::string(reinterpret_cast<char*>(&n), 2); };
    std::string data;
    for (int i = 0; i < blocks * 512; ++i) data += u16(std::uint16_t(i % 2 ? 16384 : -16384));
    const std::string format = u16(1) + u16(1) + u32(16000) + u32(32000) + u16(2) + u16(16);
    std::ofstream(folder_ / "sound.wav", std::ios::binary)
        << "RIFF" + u32(std::uint32_t(36 + data.size())) + "WAVEfmt " + u32(16) + format + "data" +
               u32(std::uint32_t(data.size())) + data;
  }
  ReleaseNames names() const {
    const auto text = read_file(job_.pipeline, kMaxTomlBytes);
    if (!text.ok()) return {};
    const auto document = parse_toml(*text, job_.pipeline);
    return document.ok() ? reported_names(*document) : ReleaseNames();
  }
  void run_until_over(Supervisor& supervisor) {
    supervisor.run(job_, names(), {}, output_);
    for (int i = 0; i < 6000; ++i) {
      supervisor.poll();
      if (supervisor.phase() == WorkerPhase::kEnded || supervisor.phase() == WorkerPhase::kWaiting)
        return;
      clock_.sleep_until_us(clock_.now_us() + 10'000);
    }
  }
  SystemProcesses processes_;
  SystemClock clock_;
  WorkerPolicy policy_;
  proto::Start job_;
  OutputPlace output_;
  std::filesystem::path folder_;
};

TEST_F(Worker, RunsAPipelineAndReportsNumbers) {
  proto::SignalBaseline quiet{.signal = "microphone.rms"};
  for (std::size_t i = 0; i < quiet.edges.size(); ++i) quiet.edges[i] = double(i + 1) / 16;
  quiet.counts[0] = 1'000'000;
  job_.baselines = {quiet};
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kEnded) << supervisor.reason();
  const Observed& seen = supervisor.total();
  EXPECT_EQ(seen.frames, std::uint64_t(kBlocks));
  EXPECT_EQ(seen.encoded_bytes, kBlocks * 512 * 2u);
  EXPECT_EQ(seen.crashes, 0u);
  // Every block passed the model; what each call took is there.
  EXPECT_GE(seen.stages.at("infer").packets, std::uint64_t(kBlocks));
  EXPECT_GE(seen.stages.at("infer").latency_ms.count(), std::uint64_t(kBlocks));
  const Observed::Signal& rms = seen.signals.at("microphone.rms");
  EXPECT_EQ(rms.values.count(), std::uint64_t(kBlocks));
  EXPECT_NEAR(rms.values.quantile(0.5), 0.5, 0.02);
  EXPECT_EQ(rms.bins[8] + rms.bins[7], std::uint64_t(kBlocks));
  // Sinks without a folder write nowhere.
  EXPECT_FALSE(std::filesystem::exists(folder_ / "events.jsonl"));
}

TEST_F(Worker, AShadowSeesTheSameAndChangesNothing) {
  output_ = {folder_ / "out", 1 << 20};
  const auto written = [&] {
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    EXPECT_EQ(supervisor.phase(), WorkerPhase::kEnded) << supervisor.reason();
    const auto size = supervisor.total().kept_bytes;
    const Observed& seen = supervisor.total();
    const ShadowResult result = shadow_result(job_.shadows, seen, seen);
    for (const ShadowModelResult& model : result.models) {
      EXPECT_GE(model.inferences, std::uint64_t(kBlocks));
      EXPECT_EQ(model.agreement, 1);
      EXPECT_EQ(model.difference_p99, 0);
      EXPECT_GT(model.old_p99_ms, 0);
      EXPECT_GT(model.new_p99_ms, 0);
    }
    EXPECT_EQ(result.models.size(), job_.shadows.size());
    return size;
  };
  const auto alone = written();
  job_.shadows = {{job_.models[0], 1e-6, 0}};
  EXPECT_EQ(written(), alone);
}

// Its result waits for both: what is reported of the models alone is within what it takes.
TEST_F(Worker, AStepTakesAsLongAsBothModels) {
  job_.shadows = {{job_.models[0], 1e-6, 0}};
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  const Observed& seen = supervisor.total();
  const telemetry::Sketch& old_ms = seen.stages.at(shadow_old_stage("loudness")).latency_ms;
  const telemetry::Sketch& new_ms = seen.stages.at(shadow_new_stage("loudness")).latency_ms;
  EXPECT_EQ(old_ms.count(), new_ms.count());
  EXPECT_GE(seen.stages.at("infer").latency_ms.sum(), old_ms.sum() + new_ms.sum());
}

TEST_F(Worker, SaysWhatIsAShadowsFault) {
  const auto reason = [&](bool by_shadow) {
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    EXPECT_EQ(supervisor.phase(), WorkerPhase::kWaiting);
    EXPECT_EQ(supervisor.is_by_shadow(), by_shadow);
    return supervisor.reason();
  };
  job_.shadows = {{job_.models[0], 1e-6, 0}};
  job_.shadows[0].model.path = folder_ / "sound.wav";
  EXPECT_NE(reason(true).find("'loudness': "), std::string::npos) << reason(true);
  std::swap(job_.models[0].path, job_.shadows[0].model.path);
  EXPECT_NE(reason(false).find("not a plan"), std::string::npos) << reason(false);
}

TEST_F(Worker, WritesEventsWhereItMay) {
  output_ = {folder_ / "out", 1 << 20};
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kEnded) << supervisor.reason();
  const auto size = std::filesystem::file_size(folder_ / "out/events.jsonl");
  EXPECT_GT(size, 0u);
  EXPECT_EQ(supervisor.total().kept_bytes, size);
  EXPECT_EQ(supervisor.total().dropped_bytes + supervisor.total().lost_bytes, 0u);
}

TEST_F(Worker, SaysWhatIsWrongWithARelease) {
  const auto reason = [&] {
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    EXPECT_EQ(supervisor.phase(), WorkerPhase::kWaiting);
    EXPECT_EQ(supervisor.total().crashes, 1u);
    return supervisor.reason();
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return testing::AssertionResult(text.find(part) != text.npos) << text;
  };
  job_.models[0].name = "another";
  EXPECT_TRUE(has(reason(), "no model"));
  job_.models[0] = {"loudness", folder_ / "sound.wav"};
  EXPECT_TRUE(has(reason(), "not a plan"));
  job_.pipeline = folder_ / "none.toml";
  EXPECT_TRUE(has(reason(), "none.toml"));
}

// Keeps the number of the last one.
class NumberedProcesses final : public Processes {
 public:
  int pid = 0;
  Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options) override {
    auto child = system_.start(options);
    if (child.ok()) pid = (*child)->pid();
    return child;
  }

 private:
  SystemProcesses system_;
};

// Whether a process has these bytes anywhere in its memory; `memory` is its /proc/PID/mem.
bool holds(int pid, int memory, std::string_view wanted) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0;
    char readable = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %c", &begin, &end, &readable) != 3 ||
        readable != 'r')
      continue;
    std::string bytes(end - begin, '\0');
    const ssize_t got = ::pread(memory, bytes.data(), bytes.size(), off_t(begin));
    bytes.resize(std::size_t(std::max<ssize_t>(got, 0)));
    if (bytes.find(wanted) != bytes.npos) return true;
  }
  return false;
}

// Of a sealed release and of one beside it.
TEST_F(Worker, KeepsNoContentKeyWhileItRuns) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers map terabytes";
#endif
  write_sound(3000);  // it is still there when it is looked at
  const auto plain = open_readable(job_.models[0].path).value();
  std::string plan(256, '\0');
  ASSERT_TRUE(plain->read(0, plan).ok());
  std::vector<trust::ContentKey> keys;
  for (const char* name : {"old", "new"}) {
    MemoryStore store;
    auto out = store.create(name).value();
    keys.push_back(trust::seal_file(*plain, *out).value());
    ASSERT_TRUE(out->commit().ok());
    std::ofstream(folder_ / name, std::ios::binary) << store.files().at(name);
  }
  job_.models[0].path = folder_ / "old";
  job_.shadows = {{{"loudness", folder_ / "new", {}}, 1e-6, 0}};
  NumberedProcesses processes;
  Supervisor supervisor(processes, clock_, policy_);
  supervisor.run(job_, names(), [&](proto::Start& job) -> Status {
    job.models[0].content_key = WipedBytes(keys[0].bytes().view());
    job.shadows[0].model.content_key = WipedBytes(keys[1].bytes().view());
    return {};
  });
  for (int i = 0; i < 3000 && supervisor.phase() == WorkerPhase::kStarting; ++i) {
    supervisor.poll();
    clock_.sleep_until_us(clock_.now_us() + 1'000);
  }
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kRunning) << supervisor.reason();
  const int memory =
      ::open(("/proc/" + std::to_string(processes.pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) {
    // Whoever is not root is refused.
    EXPECT_EQ(errno, EACCES);
    return;
  }
  EXPECT_TRUE(holds(processes.pid, memory, plan));  // it would be found
  for (const trust::ContentKey& key : keys)
    EXPECT_FALSE(holds(processes.pid, memory, key.bytes().view()));
  ::close(memory);
}

TEST_F(Worker, OpensNoFileThatIsNotItsOwn) {
  if (!can_confine_files()) GTEST_SKIP() << "this kernel has no Landlock";
  const std::filesystem::path slot = folder_ / "slot";
  std::filesystem::create_directories(slot);
  std::filesystem::rename(folder_ / "pipeline.toml", slot / "pipeline.toml");
  job_.pipeline = slot / "pipeline.toml";
  const auto reason = [&] {
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    return supervisor.reason();
  };
  // A link in the slot leads out of it.
  std::filesystem::create_symlink(folder_ / "sound.wav", slot / "sound.wav");
  EXPECT_NE(reason().find("Permission denied"), std::string::npos) << reason();
  // What the pipeline or the device names as an input is read.
  job_.settings = {"microphone.path=" + (folder_ / "sound.wav").string()};
  EXPECT_EQ(reason(), "its sources have ended");
  job_.settings = {"microphone.path=../sound.wav"};
  EXPECT_EQ(reason(), "its sources have ended");
}

// What sources have to load and to read: the plug-in with its codecs, a folder of pictures. The
// model comes after them in the order in which steps are made, and is not there.
TEST_F(Worker, AConfinedWorkerReadsItsInputs) {
  const auto reason_of = [&](const std::string& source) {
    std::ofstream(folder_ / "pipeline.toml") << "[pipeline]\nname = \"video\"\n"
                                             << "[[node]]\nname = \"camera\"\n"
                                             << source << R"(
[[node]]
name = "letterbox"
type = "letterbox"
inputs = ["camera"]
size = [32, 32]
[[node]]
name = "normalise"
type = "normalise"
inputs = ["letterbox"]
[[node]]
name = "infer"
type = "infer"
inputs = ["normalise"]
model = "none"
[[node]]
name = "decode"
type = "ssd_decode"
inputs = ["infer"]
[[node]]
name = "events"
type = "json_lines"
inputs = ["decode"]
)";
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    return supervisor.reason();
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return testing::AssertionResult(text.find(part) != text.npos) << text;
  };
  const std::filesystem::path pictures = folder_ / "pictures";
  std::filesystem::create_directories(pictures);
  std::filesystem::copy_file(POLDER_SOURCE_DIR "/docs/images/people-counting.jpg",
                             pictures / "a.jpg");
  EXPECT_TRUE(has(reason_of("type = \"image_folder\"\npath = \"pictures\""), "no model"));
  const std::string worker = POLDER_WORKER;
  const std::string plugin = worker.substr(0, worker.rfind('/')) + "/polder_video_libav.so";
  if (!std::filesystem::exists(plugin)) GTEST_SKIP() << "the video plug-in is not built";
  EXPECT_TRUE(has(reason_of("type = \"video_file\"\npath = \"pictures/a.jpg\""), "no model"));
  // The codecs' own word on a file that is none of theirs.
  EXPECT_TRUE(has(reason_of("type = \"video_file\"\npath = \"pipeline.toml\""), "pipeline.toml: "));
}

// All that codecs and threads ask of the system they get: a picture is decoded, goes through a
// model, is drawn on and encoded again, by two threads. The model's rows are averages of colours,
// which no step takes for objects.
class VideoWorker : public Worker {
 protected:
  void SetUp() override {
    Worker::SetUp();
    const std::string worker = POLDER_WORKER;
    const std::string plugin = worker.substr(0, worker.rfind('/')) + "/polder_video_libav.so";
    if (!std::filesystem::exists(plugin)) GTEST_SKIP() << "the video plug-in is not built";
    picture_ = POLDER_SOURCE_DIR "/docs/images/people-counting.jpg";
    output_ = {folder_ / "out", 16 << 20};
  }
  void write_pipeline(const std::string& source) {
    std::ofstream(folder_ / "pipeline.toml") << R"([pipeline]
name = "video"
[[node]]
name = "camera"
)" << source << R"(
[[node]]
name = "letterbox"
type = "letterbox"
inputs = "camera"
size = [32, 32]
[[node]]
name = "normalise"
type = "normalise"
inputs = "letterbox"
[[node]]
name = "infer"
type = "infer"
inputs = "normalise"
model = "rows"
[[node]]
name = "decode"
type = "yolo_decode"
inputs = "infer"
layout = "v5"
threshold = 1
[[node]]
name = "track"
type = "track"
inputs = "decode"
[[node]]
name = "video"
type = "annotated_video"
inputs = ["camera", "track"]
privacy = { raw = "allow: a public picture" }
)";
    job_.models = {{"rows", POLDER_SOURCE_DIR "/tests/data/agent/rows.plan"}};
    job_.threads = 2;
    job_.keep_raw = true;
  }
  std::size_t files() const {
    return std::size_t(std::distance(std::filesystem::directory_iterator(output_.folder),
                                     std::filesystem::directory_iterator()));
  }
  std::filesystem::path picture_;
};

TEST_F(VideoWorker, DecodesAndEncodesWhereItIsConfined) {
  std::filesystem::copy_file(picture_, folder_ / "a.jpg");
  write_pipeline("type = \"video_file\"\npath = \"a.jpg\"");
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  EXPECT_EQ(supervisor.reason(), "its sources have ended");
  EXPECT_EQ(supervisor.total().frames, 1u);
  EXPECT_GT(supervisor.total().kept_bytes, 1000u);
  EXPECT_EQ(supervisor.total().lost_bytes, 0u);
  EXPECT_EQ(files(), 1u);
  // It is not kept where what a sensor saw is not.
  job_.keep_raw = false;
  run_until_over(supervisor);
  EXPECT_EQ(supervisor.reason(), "its sources have ended");
  EXPECT_EQ(files(), 1u);
}

TEST_F(VideoWorker, ThatIsKilledLeavesNoHalfAVideo) {
  std::filesystem::create_directories(folder_ / "pictures");
  for (int i = 100; i < 200; ++i)
    std::filesystem::copy_file(picture_, folder_ / "pictures" / (std::to_string(i) + ".jpg"));
  write_pipeline("type = \"image_folder\"\npath = \"pictures\"\nframe_rate = 10");
  NumberedProcesses processes;
  Supervisor supervisor(processes, clock_, policy_);
  supervisor.run(job_, names(), {}, output_);
  const auto until = [&](const auto& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) {
      supervisor.poll();
      clock_.sleep_until_us(clock_.now_us() + 10'000);
    }
    return condition();
  };
  ASSERT_TRUE(until([&] { return supervisor.frames() > 5; })) << supervisor.reason();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/annotated.mp4.part"));
  ::kill(processes.pid, SIGKILL);
  ASSERT_TRUE(until([&] { return supervisor.phase() == WorkerPhase::kWaiting; }));
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(supervisor.total().kept_bytes, 0u);
}

TEST_F(Worker, StopsWhenItIsTold) {
  Supervisor supervisor(processes_, clock_, policy_);
  supervisor.run(job_, names());
  for (int i = 0; i < 3000 && supervisor.phase() == WorkerPhase::kStarting; ++i) {
    supervisor.poll();
    clock_.sleep_until_us(clock_.now_us() + 1'000);
  }
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kRunning) << supervisor.reason();
  supervisor.stop();
  EXPECT_EQ(supervisor.phase(), WorkerPhase::kStopped);
  EXPECT_EQ(supervisor.total().crashes, 0u);
}

}  // namespace
}  // namespace polder::agent
