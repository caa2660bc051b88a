#include "agent/output_receiver.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "platform/clock.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kLookMs = 1'000;
// Long enough to do nothing meanwhile, short enough for a socket not to be empty for long.
constexpr std::int64_t kHeldBackUs = 20'000;

Error corrupt(std::string_view what) { return fail(Code::kCorrupt, "worker output: {}", what); }

}  // namespace

OutputReceiver::OutputReceiver(const OutputPlace& place, const WorkerPolicy& policy)
    : policy_(policy),
      bytes_left_(double(policy.output_burst_bytes)),
      counted_at_ns_(monotonic_ns()) {
  if (auto opened = DiskStorage::at(place.folder); opened.ok()) folder_ = std::move(*opened);
  kept_ = std::make_unique<KeptOutput>(folder_.get(), place.cap_bytes);
}

Status OutputReceiver::begin(std::unique_ptr<Channel> channel) {
  channel_ = std::move(channel);
  return thread_.start(
      1, [](void* self) { static_cast<OutputReceiver*>(self)->receive(); }, this);
}

void OutputReceiver::end() {
  is_ending_ = true;
  thread_.join();
  channel_.reset();
}

std::optional<Error> OutputReceiver::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

KeptCounts OutputReceiver::take_counts() {
  const std::lock_guard lock(mutex_);
  KeptCounts now = kept_->counts();
  now.lost_bytes += cut_bytes_;
  const KeptCounts before = std::exchange(told_, now);
  return {now.kept_bytes - before.kept_bytes, now.dropped_bytes - before.dropped_bytes,
          now.lost_bytes - before.lost_bytes};
}

// --- in the thread ---

void OutputReceiver::receive() {
  Status status;
  while (status.ok()) {
    hold_back();
    const auto message = channel_->receive(kLookMs);
    if (!message.ok()) {
      // That it has gone is its supervisor's to see; a message that is too long is its fault.
      if (message.error().code != Code::kUnavailable) status = Error(message.error());
      break;
    }
    if (*message) status = take(**message);
    else if (is_ending_) break;
  }
  const std::uint64_t cut_bytes = waiting_bytes();
  files_.clear();
  const std::lock_guard lock(mutex_);
  cut_bytes_ = cut_bytes;
  if (!status.ok()) error_ = status.error();
  is_over_ = true;
}

Status OutputReceiver::take(std::string_view bytes) {
  bytes_left_ -= double(bytes.size() + kMessageCostBytes);
  TRY_VALUE(const proto::ToOutput message, proto::decode_output(bytes));
  return std::visit([this](const auto& body) { return take(body); }, message);
}

// While nothing is taken the socket fills, and the sinks wait. What is there when the worker has
// ended is no more than a socket holds.
void OutputReceiver::hold_back() {
  SystemClock clock;
  while (bytes_left() < 0 && !is_ending_) clock.sleep_until_us(clock.now_us() + kHeldBackUs);
}

double OutputReceiver::bytes_left() {
  const std::int64_t now_ns = monotonic_ns();
  const double earned = double(now_ns - counted_at_ns_) * 1e-9 * double(policy_.output_bytes_per_s);
  bytes_left_ = std::min(bytes_left_ + earned, double(policy_.output_burst_bytes));
  counted_at_ns_ = now_ns;
  return bytes_left_;
}

Status OutputReceiver::take(const proto::CreateFile& create) {
  if (files_.size() == proto::kMaxOutputFiles)
    return fail(Code::kExhausted, "worker output: more than {} files", files_.size());
  auto out = create.has_lines ? kept_->create_lines(create.name) : kept_->create(create.name);
  if (!out.ok()) return Error(out.error());
  files_.push_back({std::move(*out), create.has_lines, {}});
  return {};
}

Result<OutputReceiver::File*> OutputReceiver::open_file(std::uint8_t number) {
  if (number >= files_.size()) return corrupt("a file that it has not created");
  if (!files_[number].out) return corrupt("a file that it has completed");
  return &files_[number];
}

Status OutputReceiver::take(const proto::WriteFile& write) {
  TRY_VALUE(File* const file, open_file(write.file));
  if (file->has_lines) return add_lines(*file, write.bytes);
  TRY(file->out->seek(std::int64_t(write.offset)));
  return file->out->write(write.bytes);
}

// Only whole lines are written, whatever comes of the last one.
Status OutputReceiver::add_lines(File& file, std::string_view bytes) {
  const std::size_t end = bytes.rfind('\n') + 1;
  if (end > 0) {
    file.unfinished.append(bytes.substr(0, end));
    TRY(file.out->write(file.unfinished));
    file.unfinished.clear();
  }
  file.unfinished.append(bytes.substr(end));
  if (waiting_bytes() <= kMaxLineBytes) return {};
  return fail(Code::kExhausted, "worker output: a line of more than {} bytes", kMaxLineBytes);
}

std::uint64_t OutputReceiver::waiting_bytes() const {
  std::uint64_t bytes = 0;
  for (const File& file : files_) bytes += file.unfinished.size();
  return bytes;
}

Status OutputReceiver::take(const proto::CommitFile& commit) {
  TRY_VALUE(File* const file, open_file(commit.file));
  if (!file->unfinished.empty()) return corrupt("an end within a line");
  TRY(file->out->commit());
  file->out.reset();
  return {};
}

}  // namespace polder::agent
