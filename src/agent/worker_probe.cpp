#include "agent/worker_probe.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/model_file.h"
#include "base/fail.h"
#include "platform/clock.h"
#include "platform/host.h"
#include "platform/memory.h"
#include "runtime/golden.h"
#include "runtime/session.h"
#include "runtime/tensor_file.h"

namespace polder::agent {
namespace {

// Measuring ends after this time, with fewer runs.
constexpr std::int64_t kMeasureNs = 20'000'000'000;

TensorView view_of(const OwnedTensor& tensor) {
  return {const_cast<std::byte*>(tensor.data.view.data()), tensor.type, tensor.shape};
}

Result<std::vector<OwnedTensor>> read_all(const std::vector<proto::GoldenFile>& files) {
  std::vector<OwnedTensor> tensors;
  for (const proto::GoldenFile& file : files) {
    TRY_VALUE(OwnedTensor tensor, read_npy(file.path));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Status run_on(Session& session, const std::vector<OwnedTensor>& inputs) {
  std::vector<TensorView> views;
  for (const OwnedTensor& input : inputs) views.push_back(view_of(input));
  return session.run(views);
}

Status hold(Session& session, const proto::GoldenCase& golden) {
  TRY_VALUE(const auto inputs, read_all(golden.inputs));
  TRY_VALUE(const auto expected, read_all(golden.outputs));
  TRY(run_on(session, inputs));
  if (expected.size() != session.outputs().size()) {
    return fail(Code::kInvalid, "{} outputs expected, the model has {}", expected.size(),
                session.outputs().size());
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double largest = 0;
    Status status = check_close(session.output(int(i)), view_of(expected[i]), golden.absolute,
                                golden.relative, largest);
    if (!status) return std::move(status).error().at("output '" + golden.outputs[i].name + "'");
  }
  return {};
}

Status measure(Session& session, const proto::Probe& probe, double& p99_ms) {
  if (probe.goldens.empty() || probe.runs == 0) return {};
  TRY_VALUE(const auto inputs, read_all(probe.goldens.front().inputs));
  std::vector<std::int64_t> took_ns;
  const std::int64_t begin_ns = monotonic_ns();
  while (took_ns.size() < probe.runs &&
         (took_ns.empty() || monotonic_ns() - begin_ns < kMeasureNs)) {
    const std::int64_t before_ns = monotonic_ns();
    TRY(run_on(session, inputs));
    took_ns.push_back(monotonic_ns() - before_ns);
  }
  std::ranges::sort(took_ns);
  const auto rank = std::size_t(std::ceil(0.99 * double(took_ns.size())));
  p99_ms = double(took_ns[std::max<std::size_t>(rank, 1) - 1]) * 1e-6;
  return {};
}

// What is this process's own: a mapped plan is the file's.
Result<std::uint64_t> anonymous_bytes() {
  constexpr std::string_view kLine = "RssAnon:";
  TRY_VALUE(const std::string status, read_kernel_text("/proc/self/status"));
  const std::size_t at = status.find(kLine);
  const std::size_t digit =
      at == status.npos ? at : status.find_first_of("0123456789", at + kLine.size());
  std::uint64_t kibibytes = 0;
  if (digit == status.npos ||
      std::from_chars(status.data() + digit, status.data() + status.size(), kibibytes).ec !=
          std::errc())
    return fail(Code::kIo, "/proc/self/status: no line '{}'", kLine);
  return kibibytes * 1024;
}

Status fill(proto::Probe& probe, proto::ProbeResult& result) {
  TRY_VALUE(const auto session, open_model_file(probe.model, probe.threads));
  probe.model.content_key = {};
  for (const proto::GoldenCase& golden : probe.goldens) {
    Status status = hold(*session, golden);
    if (!status) return std::move(status).error().at("golden '" + golden.name + "'");
    ++result.golden_count;
  }
  TRY(measure(*session, probe, result.p99_ms));
  TRY_VALUE(result.memory_bytes, anonymous_bytes());
  return {};
}

}  // namespace

proto::ProbeResult run_probe(proto::Probe& probe) {
  proto::ProbeResult result;
  const Status status =
      within_memory("'" + probe.model.name + "'", [&] { return fill(probe, result); });
  if (!status) {
    result.error = status.error().code;
    result.message = status.error().message;
  }
  return result;
}

}  // namespace polder::agent
