// The native session: runs a plan in one arena, without allocation or locks after it is open.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/table.h"
#include "ops/op.h"
#include "runtime/executor.h"
#include "runtime/plan.h"

namespace polder {

// Sees each node before and after it runs: for profiles. Called on the thread that calls run().
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void before(int node) = 0;
  virtual void after(int node) = 0;
};

// A minute of audio, sample by sample, takes 2.9 million iterations and an image, row by row, some
// thousands; 2^24 of a small body are over in seconds.
inline constexpr std::int64_t kMaxIterations = std::int64_t(1) << 24;

struct SessionOptions {
  int threads = 1;
  // The instruction set to run instead of the best; the plan's target must be no higher.
  std::optional<kernel::Isa> isa = {};
  // Runs every operator by its reference implementation: slow, for tests. Only for plans whose
  // constants are not packed (CompileOptions::pack = false).
  bool reference = false;
  // The most iterations of Loop and Scan in one run(), all of them together, nested ones each time:
  // a loop without an end is an error (kExhausted) instead of a hang.
  std::int64_t max_iterations = kMaxIterations;
  // False: only to look at, so that the plan may be for any machine. Nothing is set aside for runs,
  // and run() fails.
  bool runs = true;
};

// The iterations that all loops together may make in one run.
struct LoopBudget {
  std::int64_t most = kMaxIterations, left = 0;
};

// What a node is and costs, for inspection and profiles.
struct NodeReport {
  std::string_view name;
  std::string_view op;
  std::string_view kernel;
  std::vector<int> inputs, outputs;  // tensor indices, -1 absent
  std::size_t workspace_bytes = 0;
};

class GraphRunner;

class Session final : public Executor {
 public:
  // Maps and checks the plan file.
  static Result<std::unique_ptr<Session>> open(const std::string& plan_path,
                                               const SessionOptions& options = {});
  static Result<std::unique_ptr<Session>> open(Plan plan, const SessionOptions& options = {});
  ~Session() override;

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  Status run(std::span<const TensorView> inputs) override;
  TensorView output(int index) const override;

  std::size_t arena_bytes() const { return arena_bytes_; }
  // The kernels that it runs, and the least that its plan needs. A session to look at has the
  // plan's where this machine cannot run these.
  kernel::Isa isa() const { return isa_; }
  kernel::Isa target() const;
  // The main graph's nodes, in order of execution.
  std::vector<NodeReport> nodes() const;
  // The main graph as it was loaded, its bodies within: for inspection (runtime/graph_runner.h).
  const GraphRunner& graph() const { return *main_; }
  // nullptr: nobody watches. Borrowed until replaced.
  void observe(RunObserver* observer);

 private:
  friend class GraphRunner;
  Session();
  Status take_arena();

  Plan plan_;
  kernel::Isa isa_ = kernel::Isa::kGeneric;
  std::unique_ptr<Parallel> pool_;
  std::shared_ptr<std::byte> arena_;
  std::size_t arena_bytes_ = 0;
  std::unique_ptr<GraphRunner> main_;
  LoopBudget loops_;
  std::vector<Port> inputs_, outputs_;
  bool has_results_ = false;  // the last run succeeded
};

}  // namespace polder
