// What runs a model: the native session and every backend implement this.
#pragma once

#include <polder/error.h>
#include <polder/port.h>
#include <polder/tensor.h>

#include <span>
#include <string>

namespace polder {

// Not thread-safe: one executor serves one thread at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::span<const Port> inputs() const = 0;
  virtual std::span<const Port> outputs() const = 0;
  // Runs once. `inputs` are in the order of inputs(), dense, and are not changed. The outputs'
  // views are read with output() and stay valid until the next run(). Errors: kInvalid for a wrong
  // number, type or shape of inputs, and for one that lies where the outputs do; what an operator
  // reports at run time.
  virtual Status run(std::span<const TensorView> inputs) = 0;
  // Result `index` of the last run(). An empty view (no data, type kNone) when that failed, before
  // the first, and for an index that no output has.
  virtual TensorView output(int index) const = 0;
};

}  // namespace polder
