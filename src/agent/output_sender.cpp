#include "agent/output_sender.h"

#include <algorithm>

#include "agent/aggregator.h"
#include "base/fail.h"

namespace polder::agent {
namespace {

class NoFile final : public OutputFile {
 public:
  Status write(std::string_view) override { return {}; }
  Status seek(std::int64_t) override { return {}; }
  Status commit() override { return {}; }
};

// The last part of a path, cut: the supervisor makes it plain.
std::string short_name(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1).substr(0, proto::kMaxOutputNameBytes);
  return name.empty() ? "_" : name;
}

}  // namespace

class SentFile final : public OutputFile {
 public:
  SentFile(OutputSender& sender, std::uint8_t number, bool has_lines, std::string path)
      : sender_(sender), number_(number), has_lines_(has_lines), path_(std::move(path)) {}
  Status write(std::string_view bytes) override {
    TRY(sender_.send_pieces(number_, at_, bytes));
    if (!has_lines_) at_ += bytes.size();
    return {};
  }
  Status seek(std::int64_t offset) override {
    if (has_lines_) return fail(Code::kUnsupported, "{}: lines are only added", path_);
    if (offset < 0) return fail(Code::kInvalid, "{}: a place before its beginning", path_);
    at_ = std::uint64_t(offset);
    return {};
  }
  Status commit() override {
    const WaitsForSupervisor waits;
    const std::lock_guard lock(sender_.mutex_);
    return sender_.send(proto::CommitFile{number_});
  }

 private:
  OutputSender& sender_;
  const std::uint8_t number_;
  const bool has_lines_;
  const std::string path_;
  std::uint64_t at_ = 0;
};

Result<std::unique_ptr<OutputFile>> OutputSender::create(const std::string& path) {
  return create(path, false);
}

Result<std::unique_ptr<OutputFile>> OutputSender::create_lines(const std::string& path) {
  return create(path, true);
}

Result<std::unique_ptr<OutputFile>> OutputSender::create(const std::string& path, bool has_lines) {
  using File = std::unique_ptr<OutputFile>;
  if (!channel_ || thrown_away_.contains(path)) return File(std::make_unique<NoFile>());
  const std::lock_guard lock(mutex_);
  TRY_VALUE(const std::string name, names_.take(path));
  if (files_ == proto::kMaxOutputFiles)
    return fail(Code::kExhausted, "{}: more than {} outputs", name, files_);
  TRY(send(proto::CreateFile{short_name(path), has_lines}));
  return File(std::make_unique<SentFile>(*this, std::uint8_t(files_++), has_lines, path));
}

// The pieces of one write follow each other.
Status OutputSender::send_pieces(std::uint8_t file, std::uint64_t offset, std::string_view bytes) {
  const WaitsForSupervisor waits;
  const std::lock_guard lock(mutex_);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, proto::kMaxPieceBytes);
    TRY(send(proto::WriteFile{file, offset, std::string(piece)}));
    offset += piece.size();
    bytes.remove_prefix(piece.size());
  }
  return {};
}

Status OutputSender::send(const proto::ToOutput& message) {
  TRY_VALUE(const std::string bytes, proto::encode(message));
  return channel_->send(bytes);
}

}  // namespace polder::agent
