// What runs a model: the native session and every backend implement this.
#pragma once

#include <polder/error.h>
#include <polder/tensor.h>

#include <span>
#include <string>

namespace polder {

// One input or output. A dimension that is free holds -1 in `shape`; `bounds` holds the largest
// extent that the executor has memory for (equal to `shape` where that is fixed).
struct Port {
  std::string name;
  DataType type = DataType::kNone;
  Shape shape;
  Shape bounds;
};

// Not thread-safe: one executor serves one thread at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::span<const Port> inputs() const = 0;
  virtual std::span<const Port> outputs() const = 0;
  // Runs once. `inputs` are in the order of inputs(), dense, and are not changed. The outputs'
  // views are read with output() and stay valid until the next run(). Errors: kInvalid for a wrong
  // number, type or shape of inputs; what an operator reports at run time.
  virtual Status run(std::span<const TensorView> inputs) = 0;
  // Result `index` of the last successful run().
  virtual TensorView output(int index) const = 0;
};

}  // namespace polder
