// Where a worker's sinks write: nowhere themselves. What they write goes to the supervisor, which
// keeps it (agent/output_receiver.h). Inside this room.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "agent/kept_output.h"
#include "platform/child.h"
#include "platform/file.h"
#include "proto/output.h"

namespace polder::agent {

// Thread-safe; the files that it gives each serve one thread at a time, and do not outlive it. A
// write waits until the supervisor takes it, for as long as that takes: no stage is taken for hung
// meanwhile (agent/aggregator.h). Errors are those of the channel.
class OutputSender final : public FileStore {
 public:
  // Without a channel (nullptr) all is thrown away. It is borrowed.
  explicit OutputSender(Channel* channel) : channel_(channel) {}

  // What is written to these paths is thrown away. Before the first file is made.
  void throw_away(std::set<std::string> paths) { thrown_away_ = std::move(paths); }
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;
  Result<std::unique_ptr<OutputFile>> create_lines(const std::string& path) override;

 private:
  friend class SentFile;
  Result<std::unique_ptr<OutputFile>> create(const std::string& path, bool has_lines);
  Status send(const proto::ToOutput& message);
  Status send_pieces(std::uint8_t file, std::uint64_t offset, std::string_view bytes);

  Channel* channel_;
  std::set<std::string> thrown_away_;
  std::mutex mutex_;
  KeptNames names_;
  std::size_t files_ = 0;
};

}  // namespace polder::agent
