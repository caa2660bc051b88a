// A model that a command measures: opened as every command opens it, fed with random inputs.
#pragma once

#include <polder/model.h>

#include <memory>
#include <string>
#include <vector>

#include "measure/bench.h"
#include "runtime/session.h"

namespace polder::cli {

class ModelSubject final : public Subject {
 public:
  // `options` is borrowed.
  ModelSubject(std::string path, const OpenOptions& options)
      : path_(std::move(path)), options_(options) {}

  Status open() override;
  // One random tensor an input, seeded; free dimensions at their bounds.
  Status prepare() override;
  Status run() override;
  void close() override { session_ = nullptr; }
  // Not null between open() and close().
  Session* session() { return session_.get(); }

 private:
  std::string path_;
  const OpenOptions& options_;
  std::unique_ptr<Session> session_;
  std::vector<std::vector<std::byte>> buffers_;
  std::vector<TensorView> inputs_;
};

}  // namespace polder::cli
