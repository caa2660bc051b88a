#include "cli/subject.h"

#include "base/fail.h"
#include "measure/random_input.h"
#include "sdk/open.h"

namespace polder::cli {

namespace {
constexpr std::int64_t kMaxInputElements = std::int64_t{1} << 28;
}

Status ModelSubject::open() {
  auto session = open_session(path_, options_);
  if (!session) return std::move(session).error();
  session_ = std::move(*session);
  return {};
}

Status ModelSubject::prepare() {
  buffers_.clear();
  inputs_.clear();
  for (const Port& port : session_->inputs()) {
    if (port.bounds.elements() > kMaxInputElements) {
      return fail(Code::kExhausted,
                  "{}: input '{}' may grow to {}; give a size to measure: --shape {}=D,D,...",
                  path_, port.name, port.bounds.text(), port.name);
    }
    TensorView tensor{nullptr, port.type, port.bounds};
    tensor.data = buffers_.emplace_back(tensor.bytes() + 1).data();
    fill_random(tensor, inputs_.size() + 1);
    inputs_.push_back(tensor);
  }
  return {};
}

Status ModelSubject::run() { return session_->run(inputs_); }

}  // namespace polder::cli
