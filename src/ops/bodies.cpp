#include "ops/bodies.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace polder::ops {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::size_t bytes_of(const ValueInfo& info) {
  return aligned(std::size_t(info.dims.max_elements()) * size_of(info.type));
}

}  // namespace

Status cover(InferContext& context, const ValueInfo& a, const ValueInfo& b, int index,
             ValueInfo& out) {
  if (a.type != b.type || a.dims.rank() != b.dims.rank()) {
    return fail(Code::kUnsupported,
                "output {} is {} {} or {} {}; one type and one rank are supported: bind the input "
                "that decides (--bind NAME=VALUES)",
                index, type_name(a.type), a.dims.text(), type_name(b.type), b.dims.text());
  }
  out.type = a.type;
  out.dims = {};
  for (int axis = 0; axis < a.dims.rank(); ++axis) {
    const Dim x = a.dims[axis], y = b.dims[axis];
    out.dims.push_back(x == y ? x : context.new_dim(std::max(x.bound, y.bound)));
  }
  return {};
}

Status stack_results(InferContext& context, int carried, int first_result, Dim length) {
  for (int i = carried; i < context.output_count(); ++i) {
    const ValueInfo element = context.body_result(0, first_result + i);
    if (element.dims.rank() == kMaxRank) {
      return fail(Code::kUnsupported, "output {} would have rank {}", i, kMaxRank + 1);
    }
    Dims dims = {length};
    for (const Dim& dim : element.dims) dims.push_back(dim);
    context.output(i, element.type, dims);
  }
  return {};
}

Status copy_result(const TensorView& from, const Shape& room, TensorView& to) {
  if (from.type != to.type || from.shape.rank() != room.rank()) {
    return fail(Code::kInvalid, "a body made {} {} where {} {} was planned", type_name(from.type),
                from.shape.text(), type_name(to.type), room.text());
  }
  for (int axis = 0; axis < room.rank(); ++axis) {
    if (from.shape[axis] <= room[axis]) continue;
    return fail(Code::kExhausted,
                "a body made shape {}; the plan has room for {}: compile with larger bounds",
                from.shape.text(), room.text());
  }
  to.shape = from.shape;
  if (from.bytes() > 0) std::memmove(to.data, from.data, from.bytes());
  return {};
}

std::size_t Iteration::workspace_bytes(const NodeInfo& node, int carried) {
  std::size_t bytes = aligned(node.inputs.size() * sizeof(TensorView)) +
                      aligned(node.outputs.size() * sizeof(Shape));
  for (int i = 0; i < carried; ++i) bytes += bytes_of(node.outputs[std::size_t(i)]);
  return bytes;
}

Status Iteration::start(const RunContext& run, int carried, int first) {
  run_ = &run;
  carried_ = carried;
  first_ = first;
  std::byte* at = run.workspace;
  formals_ = {reinterpret_cast<TensorView*>(at), run.inputs.size()};
  std::uninitialized_copy(run.inputs.begin(), run.inputs.end(), formals_.begin());
  at += aligned(run.inputs.size() * sizeof(TensorView));
  room_ = reinterpret_cast<Shape*>(at);
  for (std::size_t i = 0; i < run.outputs.size(); ++i) new (room_ + i) Shape(run.outputs[i].shape);
  second_ = at + aligned(run.outputs.size() * sizeof(Shape));
  for (int i = 0; i < carried; ++i) {
    TRY(copy_result(run.in(first + i), room_[i], run.out(i)));
    formals_[std::size_t(first + i)] = run.out(i);
  }
  return {};
}

void Iteration::reverse(std::uint64_t outputs, std::int64_t length) {
  reversed_ = outputs;
  length_ = length;
}

Status Iteration::step(int first_result, std::int64_t index) {
  TRY(run_->bodies->iterate(0, formals_));
  // What is appended first: it may be a carried value as it was.
  for (int output = carried_; output < int(run_->outputs.size()); ++output) {
    TRY(append(run_->bodies->output(0, first_result + output), output, index));
  }
  return carry(first_result);
}

Status Iteration::carry(int first_result) {
  // A body may hand one carried value on as another: then all are copied aside first.
  const auto held_elsewhere = [&](const TensorView& view, int own) {
    for (int i = 0; i < carried_; ++i) {
      if (i != own && view.data == run_->out(i).data) return true;
    }
    return false;
  };
  bool aside = false;
  for (int i = 0; i < carried_; ++i) {
    aside = aside || held_elsewhere(run_->bodies->output(0, first_result + i), i);
  }
  std::byte* at = second_;
  for (int i = 0; aside && i < carried_; ++i) {
    TensorView copy{at, run_->out(i).type, room_[i]};
    const std::size_t room = aligned(copy.bytes());
    TRY(copy_result(run_->bodies->output(0, first_result + i), room_[i], copy));
    formals_[std::size_t(first_ + i)] = copy;
    at += room;
  }
  for (int i = 0; i < carried_; ++i) {
    const TensorView from =
        aside ? formals_[std::size_t(first_ + i)] : run_->bodies->output(0, first_result + i);
    TRY(copy_result(from, room_[i], run_->out(i)));
    formals_[std::size_t(first_ + i)] = run_->out(i);
  }
  return {};
}

Status Iteration::append(const TensorView& element, int output, std::int64_t index) {
  TensorView& out = run_->out(output);
  const Shape& room = room_[output];
  const bool is_reversed = (reversed_ >> (output - carried_)) & 1;
  const std::int64_t position = is_reversed ? length_ - 1 - index : index;
  Shape shape = index > 0 ? out.shape : room;
  bool fits = element.type == out.type && element.shape.rank() + 1 == room.rank() &&
              position >= 0 && position < room[0];
  for (int axis = 1; fits && axis < room.rank(); ++axis) {
    // Every element is as the first one was.
    const std::int64_t extent = element.shape[axis - 1];
    fits = index > 0 ? extent == shape[axis] : extent <= room[axis];
    shape[axis] = extent;
  }
  if (!fits) {
    return fail(
        Code::kExhausted,
        "output {}: element {} of shape {} does not fit {}; every run of the body must make "
        "the same shape, within what was planned",
        output, index, element.shape.text(), room.text());
  }
  out.shape = shape;
  std::byte* to = static_cast<std::byte*>(out.data) + std::size_t(position) * element.bytes();
  if (element.bytes() > 0) std::memcpy(to, element.data, element.bytes());
  return {};
}

void Iteration::finish(std::int64_t length) {
  for (int i = carried_; i < int(run_->outputs.size()); ++i) run_->out(i).shape[0] = length;
}

Status take_body(ImportContext& node, std::string_view name, std::size_t outputs, Graph& body,
                 std::vector<ValueId>& captures) {
  for (std::size_t i = 0; i < node.bodies.size(); ++i) {
    if (node.bodies[i].first != name) continue;
    body = std::move(node.bodies[i].second);
    captures = node.captures[i];
    if (body.outputs.size() < outputs) {
      return fail(Code::kCorrupt, "attribute '{}' has {} outputs; {} expected", name,
                  body.outputs.size(), outputs);
    }
    if (body.outputs.size() > std::size_t(kMaxBodyResults)) {
      return fail(Code::kExhausted, "attribute '{}' has {} outputs; at most {} are supported", name,
                  body.outputs.size(), kMaxBodyResults);
    }
    return {};
  }
  return fail(Code::kCorrupt, "attribute '{}' is missing", name);
}

std::vector<ValueId> all_outputs(ImportContext& node, std::size_t count) {
  std::vector<ValueId> outputs = node.outputs;
  outputs.resize(count, kNoValue);
  for (std::size_t i = 0; i < count; ++i) {
    if (outputs[i] != kNoValue) continue;
    outputs[i] = node.graph.add_value(fmt::format("{}/unused{}", node.node_name, i));
  }
  return outputs;
}

}  // namespace polder::ops
