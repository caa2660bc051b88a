// What a worker that was taken over sends is bounded; what an honest one writes comes as it was
// written.
#include "agent/output_receiver.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "agent/aggregator.h"
#include "agent/output_sender.h"
#include "base/fail.h"

namespace polder::agent {
namespace {

namespace fs = std::filesystem;

// Both ends of a channel in memory, which never is full.
class Pipe {
 public:
  void put(std::string message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }
  Result<std::optional<std::string>> get(std::int64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [&] { return is_closed_ || !messages_.empty(); });
    if (messages_.empty()) {
      if (is_closed_) return Error{Code::kUnavailable, "gone"};
      return std::optional<std::string>();
    }
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    return std::optional<std::string>(std::move(message));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> messages_;
  bool is_closed_ = false;
};

class PipeEnd final : public Channel {
 public:
  explicit PipeEnd(Pipe& pipe) : pipe_(pipe) {}
  Status send(std::string_view message) override {
    pipe_.put(std::string(message));
    return {};
  }
  Result<std::optional<std::string>> receive(std::int64_t timeout_ms) override {
    return pipe_.get(timeout_ms);
  }

 private:
  Pipe& pipe_;
};

class Output : public testing::Test {
 protected:
  Output() {
    std::string pattern = testing::TempDir() + "polder-output-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Output() override { fs::remove_all(folder_); }
  void begin() { begin(folder_); }
  void begin(const std::string& folder) {
    receiver_ = std::make_unique<OutputReceiver>(OutputPlace{folder, 1 << 20}, policy_);
    ASSERT_TRUE(receiver_->begin(std::make_unique<PipeEnd>(pipe_)).ok());
  }
  void send(const proto::ToOutput& message) { pipe_.put(proto::encode(message).value()); }
  // The worker's end; why it would have been ended before.
  std::string end() {
    pipe_.close();
    receiver_->end();
    EXPECT_TRUE(receiver_->is_over());
    counts_ = receiver_->take_counts();
    const auto error = receiver_->error();
    return error ? error->message : "";
  }
  std::string text(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t files() const {
    return std::size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
  WorkerPolicy policy_;
  Pipe pipe_;
  PipeEnd theirs_{pipe_};
  std::unique_ptr<OutputReceiver> receiver_;
  KeptCounts counts_;
};

TEST_F(Output, IsKeptAsItWasWritten) {
  begin();
  OutputSender sender(&theirs_);
  sender.throw_away({"/output/raw.mp4"});
  const auto events = sender.create_lines("/output/events.jsonl").value();
  const auto video = sender.create("/output/deep/annotated.mp4").value();
  const auto raw = sender.create("/output/raw.mp4").value();
  ASSERT_TRUE(raw->write("what a sensor saw").ok());
  ASSERT_TRUE(raw->commit().ok());
  // Longer than a message.
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += std::to_string(i) + "\n";
  const std::string frames(200'000, 'v');
  ASSERT_TRUE(events->write(lines).ok());
  ASSERT_TRUE(video->write("....").ok());
  ASSERT_TRUE(video->write(frames).ok());
  ASSERT_TRUE(video->seek(0).ok());
  ASSERT_TRUE(video->write("head").ok());
  EXPECT_FALSE(events->seek(0).ok());
  EXPECT_FALSE(video->seek(-1).ok());
  ASSERT_TRUE(events->commit().ok());
  ASSERT_TRUE(video->commit().ok());
  EXPECT_EQ(end(), "");
  EXPECT_EQ(text("events.jsonl"), lines);
  EXPECT_EQ(text("00000001-annotated.mp4"), "head" + frames);
  EXPECT_EQ(files(), 2u);
  EXPECT_EQ(counts_, (KeptCounts{lines.size() + frames.size() + 4, 0, 0}));
  EXPECT_EQ(receiver_->take_counts(), KeptCounts());
}

TEST_F(Output, TwoOfOneNameAreTheReleasesFault) {
  OutputSender sender(&theirs_);
  ASSERT_TRUE(sender.create("/output/a/x.mp4").ok());
  const auto second = sender.create("/output/b/x.mp4");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kInvalid);
}

TEST_F(Output, OfAWorkerThatDiesWholeLinesStayAndUnfinishedFilesGo) {
  begin();
  send(proto::CreateFile{"events.jsonl", true});
  send(proto::CreateFile{"annotated.mp4", false});
  send(proto::WriteFile{0, 0, "a\nb"});
  send(proto::WriteFile{0, 0, "c\nhalf"});
  send(proto::WriteFile{1, 0, "frames"});
  EXPECT_EQ(end(), "");
  EXPECT_EQ(text("events.jsonl"), "a\nbc\n");
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(counts_, (KeptCounts{5, 0, 4 + 6}));
}

TEST_F(Output, WhatAWorkerMayNotSend) {
  const proto::ToOutput lines = proto::CreateFile{"a", true};
  const std::vector<std::pair<std::string, std::vector<proto::ToOutput>>> cases = {
      {"it has not created", {proto::WriteFile{0, 0, "x"}}},
      {"it has not created", {lines, proto::CommitFile{1}}},
      {"it has completed", {lines, proto::CommitFile{0}, proto::WriteFile{0, 0, "x"}}},
      {"it has completed", {lines, proto::CommitFile{0}, proto::CommitFile{0}}},
      {"within a line", {lines, proto::WriteFile{0, 0, "x"}, proto::CommitFile{0}}},
      {"two outputs are called", {lines, proto::CreateFile{"/b/a", false}}},
  };
  for (const auto& [reason, messages] : cases) {
    Pipe pipe;
    OutputReceiver receiver({folder_, 1 << 20}, policy_);
    ASSERT_TRUE(receiver.begin(std::make_unique<PipeEnd>(pipe)).ok());
    for (const auto& message : messages) pipe.put(proto::encode(message).value());
    pipe.close();
    receiver.end();
    ASSERT_TRUE(receiver.error()) << reason;
    EXPECT_NE(receiver.error()->message.find(reason), std::string::npos)
        << receiver.error()->message;
  }
}

TEST_F(Output, NoMessageAtAll) {
  begin();
  pipe_.put("babble");
  EXPECT_NE(end().find("not a message"), std::string::npos);
}

TEST_F(Output, TooManyFiles) {
  begin();
  for (std::size_t i = 0; i <= proto::kMaxOutputFiles; ++i)
    send(proto::CreateFile{std::to_string(i), false});
  EXPECT_NE(end().find("more than 64 files"), std::string::npos);
  EXPECT_EQ(files(), 0u);
}

TEST_F(Output, AbsurdNamesStayInTheFolder) {
  begin();
  const char* names[] = {"../../escape", "/etc/passwd", "..", ".", "\xff\n\x1b[31m", "00000007-x"};
  std::uint8_t file = 0;
  for (const char* name : names) {
    send(proto::CreateFile{name, true});
    send(proto::WriteFile{file++, 0, "x\n"});
  }
  EXPECT_EQ(end(), "");
  EXPECT_EQ(files(), std::size(names));
  EXPECT_EQ(text("escape"), "x\n");
  EXPECT_EQ(text("passwd"), "x\n");
}

TEST_F(Output, ALineWithoutAnEnd) {
  begin();
  send(proto::CreateFile{"a", true});
  send(proto::CreateFile{"b", true});
  for (std::uint8_t i = 0; i < 20; ++i)
    send(proto::WriteFile{std::uint8_t(i % 2), 0, std::string(proto::kMaxPieceBytes, 'x')});
  EXPECT_NE(end().find("a line of more than"), std::string::npos);
  EXPECT_EQ(counts_.kept_bytes, 0u);
}

TEST_F(Output, DataWithoutAnEnd) {
  policy_.output_bytes_per_s = 8 << 20;
  policy_.output_burst_bytes = 1 << 20;
  const std::string whole = std::string(proto::kMaxPieceBytes - 1, 'x') + "\n";
  // By their bytes, and small ones by their number; both are 4 MiB and more.
  for (const auto& [messages, line] : {std::pair(64, whole), {1024, std::string("\n")}}) {
    Pipe pipe;
    PipeEnd theirs(pipe);
    OutputReceiver receiver({folder_ + "/" + std::to_string(messages), 1 << 20}, policy_);
    const std::int64_t begin_ns = monotonic_ns();
    ASSERT_TRUE(receiver.begin(std::make_unique<PipeEnd>(pipe)).ok());
    ASSERT_TRUE(theirs.send(proto::encode(proto::CreateFile{"a", true}).value()).ok());
    for (int i = 0; i < messages; ++i)
      ASSERT_TRUE(theirs.send(proto::encode(proto::WriteFile{0, 0, line}).value()).ok());
    pipe.close();
    while (!receiver.is_over()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const double took_s = double(monotonic_ns() - begin_ns) * 1e-9;
    EXPECT_GE(took_s, 3.0 / 8 * 0.95);
    EXPECT_FALSE(receiver.error());
    const KeptCounts counts = receiver.take_counts();
    EXPECT_EQ(counts.kept_bytes, std::size_t(messages) * line.size());
    EXPECT_LE(counts.kept_bytes - counts.dropped_bytes, 1u << 20);
  }
}

TEST_F(Output, WhatHasEndedIsNotHeldBack) {
  policy_.output_bytes_per_s = policy_.output_burst_bytes = 1;
  begin();
  send(proto::CreateFile{"a", true});
  for (int i = 0; i < 20; ++i) send(proto::WriteFile{0, 0, "line\n"});
  EXPECT_EQ(end(), "");
  EXPECT_EQ(counts_.kept_bytes, 100u);
}

// A stage that writes to a supervisor which does not take it.
TEST_F(Output, WhoWaitsForItsSupervisorIsNotBusy) {
  class Full final : public Channel {
   public:
    explicit Full(std::function<void()> on_send) : on_send_(std::move(on_send)) {}
    Status send(std::string_view) override {
      on_send_();
      return {};
    }
    Result<std::optional<std::string>> receive(std::int64_t) override {
      return std::optional<std::string>();
    }

   private:
    std::function<void()> on_send_;
  };
  Aggregator aggregator({});
  const auto busy_ms_after_a_while = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return aggregator.beat().busy_ms;
  };
  int sent = 0;
  Full full([&] {
    ++sent;
    EXPECT_EQ(busy_ms_after_a_while(), 0u);
  });
  OutputSender sender(&full);
  const auto file = sender.create("/output/annotated.mp4").value();
  aggregator.before(3);
  EXPECT_GE(busy_ms_after_a_while(), 20u);
  ASSERT_TRUE(file->write("frames").ok());
  EXPECT_GE(busy_ms_after_a_while(), 20u);
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(sent, 3);
}

// A place far behind the end takes no disk, and no more of the folder than it may have.
TEST_F(Output, AFileThatIsAllHole) {
  begin();
  send(proto::CreateFile{"a", false});
  send(proto::WriteFile{0, proto::kMaxOutputOffset, "x"});
  send(proto::CommitFile{0});
  EXPECT_EQ(end(), "");
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(counts_, (KeptCounts{0, 0, 1}));
}

TEST_F(Output, AFolderThatCannotBeUsedLosesAllAndEndsNothing) {
  begin("/dev/null/none");
  send(proto::CreateFile{"events.jsonl", true});
  send(proto::WriteFile{0, 0, "a\n"});
  send(proto::CommitFile{0});
  EXPECT_EQ(end(), "");
  EXPECT_EQ(counts_, (KeptCounts{0, 0, 2}));
}

}  // namespace
}  // namespace polder::agent
