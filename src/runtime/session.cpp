// Opening a plan for this machine, and running it.
#include "runtime/session.h"

#include <algorithm>
#include <cstdint>

#include "base/fail.h"
#include "plan_generated.h"
#include "platform/pages.h"
#include "runtime/graph_runner.h"
#include "runtime/thread_pool.h"

namespace polder {

namespace {

using kernel::Isa;

// Whether a plan for `target` runs with the kernels of `isa`: of the same architecture, no less.
bool serves(Isa isa, Isa target) {
  return isa == target || target == Isa::kGeneric || (isa == Isa::kX86V4 && target == Isa::kX86V3);
}

// The plan's target is the least that it needs: no more than the CPU has, where it is to run here,
// and no more than is asked for.
Result<Isa> choose_isa(std::uint8_t target_number, std::optional<Isa> asked, bool runs) {
  if (target_number > std::uint8_t(Isa::kArm64Neon)) {
    return fail(Code::kIncompatible,
                "made for instruction set number {}, which this build does not know",
                target_number);
  }
  const Isa target = Isa(target_number);
  const bool can_run = kernel::machine_runs(target);
  if (runs && !can_run) {
    return fail(Code::kIncompatible,
                "made for {}; this machine runs up to {}: compile with --target {}",
                kernel::isa_name(target), kernel::isa_name(kernel::best_isa()),
                kernel::isa_name(kernel::best_isa()));
  }
  const Isa isa = asked.value_or(can_run ? kernel::best_isa() : target);
  if (runs && !kernel::machine_runs(isa)) {
    return fail(Code::kUnsupported, "asked to run with {}; this machine runs up to {}",
                kernel::isa_name(isa), kernel::isa_name(kernel::best_isa()));
  }
  if (!serves(isa, target)) {
    return fail(Code::kIncompatible,
                "made for {} and asked to run with {}: compile with --target {}",
                kernel::isa_name(target), kernel::isa_name(isa), kernel::isa_name(isa));
  }
  return isa;
}

Result<std::vector<const ops::OpDef*>> find_operators(const plan::Program& program) {
  std::vector<const ops::OpDef*> found;
  std::string missing;
  for (const plan::Operator* op : *program.operators()) {
    const std::string_view name(op->name()->c_str(), op->name()->size());
    const ops::OpDef* def = ops::find_op(name);
    if (!def || def->version != op->version()) {
      missing += fmt::format("{}{} version {}", missing.empty() ? "" : ", ", name, op->version());
    }
    found.push_back(def);
  }
  if (!missing.empty()) {
    return fail(Code::kIncompatible,
                "needs operators that this build does not have: {}; compile the model again or "
                "build with these operators",
                missing);
  }
  return found;
}

Result<std::unique_ptr<Parallel>> make_pool(int threads) {
  if (threads == 1) return std::unique_ptr<Parallel>(std::make_unique<Serial>());
  TRY_VALUE(std::unique_ptr<Parallel> pool, ThreadPool::start(threads));
  return pool;
}

Port port_of(const GraphRunner::Tensor& tensor) {
  Port port{std::string(tensor.name), tensor.type, {}, tensor.dims.bounds()};
  for (const Dim& dim : tensor.dims) port.shape.push_back(dim.known() ? dim.bound : -1);
  return port;
}

}  // namespace

Session::Session() = default;
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::open(const std::string& plan_path,
                                               const SessionOptions& options) {
  TRY_VALUE(Plan plan, Plan::open(plan_path));
  auto session = open(std::move(plan), options);
  if (!session) return std::move(session).error().at(plan_path);
  return session;
}

Result<std::unique_ptr<Session>> Session::open(Plan plan, const SessionOptions& options) {
  if (options.threads < 1 || options.threads > 256) {
    return fail(Code::kInvalid, "{} threads asked for; 1 to 256", options.threads);
  }
  if (options.max_iterations < 1)
    return fail(Code::kInvalid, "max_iterations is {}; at least 1", options.max_iterations);
  std::unique_ptr<Session> session(new Session);
  session->loops_.most = options.max_iterations;
  session->plan_ = std::move(plan);
  const plan::Program& program = session->plan_.program();
  if (program.graphs()->size() == 0) return fail(Code::kCorrupt, "no graph");
  TRY_VALUE(session->isa_, choose_isa(program.target(), options.isa, options.runs));
  TRY_VALUE(auto operators, find_operators(program));
  TRY_VALUE(session->pool_, make_pool(options.threads));
  GraphRunner::Shared::Taken taken;
  const GraphRunner::Shared shared{&session->plan_,      kernel::kernels_for(session->isa_),
                                   session->pool_.get(), options.reference,
                                   std::move(operators), &taken,
                                   &session->loops_};
  TRY_VALUE(session->main_, GraphRunner::load(shared, 0));

  session->arena_bytes_ = session->main_->arena_bytes();
  if (options.runs) TRY(session->take_arena());
  for (const int id : session->main_->inputs())
    session->inputs_.push_back(port_of(session->main_->tensors()[std::size_t(id)]));
  for (const int id : session->main_->outputs())
    session->outputs_.push_back(port_of(session->main_->tensors()[std::size_t(id)]));
  return session;
}

Status Session::take_arena() {
  arena_ = allocate_pages(arena_bytes_ + kPlanAlignment);
  if (!arena_)
    return fail(Code::kExhausted, "out of memory: the arena needs {} bytes", arena_bytes_);
  main_->bind_arena(arena_.get());
  return {};
}

Status Session::run(std::span<const TensorView> inputs) {
  has_results_ = false;
  if (!arena_) return fail(Code::kInvalid, "this session was opened to look at, not to run");
  const auto begin = reinterpret_cast<std::uintptr_t>(arena_.get());
  for (std::size_t i = 0; i < std::min(inputs.size(), inputs_.size()); ++i) {
    const auto data = reinterpret_cast<std::uintptr_t>(inputs[i].data);
    if (data < begin || data >= begin + arena_bytes_) continue;
    return fail(Code::kInvalid,
                "input '{}' lies where this run writes, as a result does: copy it first",
                inputs_[i].name);
  }
  loops_.left = loops_.most;
  TRY(main_->run(inputs));
  has_results_ = true;
  return {};
}

TensorView Session::output(int index) const {
  if (!has_results_ || index < 0 || std::size_t(index) >= outputs_.size()) return {};
  return main_->output(index);
}

Isa Session::target() const { return kernel::Isa(plan_.program().target()); }

void Session::observe(RunObserver* observer) { main_->observe(observer); }

std::vector<NodeReport> Session::nodes() const {
  std::vector<NodeReport> reports;
  for (const GraphRunner::Node& node : main_->nodes()) {
    reports.push_back({node.name, node.def->name, node.choice.name, node.inputs, node.outputs,
                       node.workspace_bytes});
  }
  return reports;
}

}  // namespace polder
