// The C interface of libpolder, over the C++ one.
#include <polder/model.h>
#include <polder/polder.h>

#include <algorithm>
#include <new>

#include "base/fail.h"

using polder::Code;
using polder::Error;
using polder::Model;
using polder::Port;
using polder::Shape;
using polder::TensorView;

struct polder_model {
  Model model;
};

namespace {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

int report(const Error& error) {
  last_error() = error.message;
  return int(error.code);
}

void describe(const Shape& shape, polder::DataType type, void* data, polder_tensor* out) {
  *out = {};
  out->data = data;
  out->type = int32_t(type);
  out->rank = shape.rank();
  std::copy(shape.begin(), shape.end(), out->dims);
}

int describe_port(std::span<const Port> ports, int index, polder_tensor* out, const char** name) {
  if (index < 0 || std::size_t(index) >= ports.size() || !out) {
    return report(
        polder::fail(Code::kInvalid, "no port {}; the model has {}", index, ports.size()));
  }
  const Port& port = ports[std::size_t(index)];
  describe(port.shape, port.type, nullptr, out);
  if (name) *name = port.name.c_str();
  return 0;
}

}  // namespace

int polder_open(const char* path, int threads, polder_model** model) {
  if (!path || !model)
    return report(polder::fail(Code::kInvalid, "polder_open: path and model must not be NULL"));
  *model = nullptr;
  auto opened = Model::open(path, {.threads = threads});
  if (!opened) return report(opened.error());
  *model = new (std::nothrow) polder_model{std::move(*opened)};
  return *model ? 0 : report(polder::fail(Code::kExhausted, "out of memory"));
}

void polder_close(polder_model* model) { delete model; }

int polder_input_count(const polder_model* model) { return int(model->model.inputs().size()); }
int polder_output_count(const polder_model* model) { return int(model->model.outputs().size()); }

int polder_input(const polder_model* model, int index, polder_tensor* port, const char** name) {
  return describe_port(model->model.inputs(), index, port, name);
}

int polder_output(const polder_model* model, int index, polder_tensor* port, const char** name) {
  return describe_port(model->model.outputs(), index, port, name);
}

int polder_run(polder_model* model, const polder_tensor* inputs, int count) {
  constexpr int kMaxInputs = 64;
  if (count < 0 || count > kMaxInputs || (count && !inputs)) {
    return report(
        polder::fail(Code::kInvalid, "polder_run: {} inputs; 0 to {} expected", count, kMaxInputs));
  }
  TensorView views[kMaxInputs];
  for (int i = 0; i < count; ++i) {
    if (inputs[i].rank < 0 || inputs[i].rank > POLDER_MAX_RANK) {
      return report(
          polder::fail(Code::kInvalid, "input {}: rank {}; 0 to 8 expected", i, inputs[i].rank));
    }
    if (inputs[i].type < 1 || inputs[i].type > int(polder::DataType::kBool)) {
      return report(polder::fail(Code::kInvalid, "input {}: no type is {}", i, inputs[i].type));
    }
    const std::span<const std::int64_t> dims(inputs[i].dims, std::size_t(inputs[i].rank));
    views[i] = {inputs[i].data, polder::DataType(inputs[i].type), Shape(dims)};
  }
  const polder::Status status = model->model.run({views, std::size_t(count)});
  return status ? 0 : report(status.error());
}

int polder_result(const polder_model* model, int index, polder_tensor* result) {
  if (index < 0 || index >= polder_output_count(model) || !result) {
    return report(polder::fail(Code::kInvalid, "no result {}", index));
  }
  const TensorView view = model->model.output(index);
  describe(view.shape, view.type, view.data, result);
  return 0;
}

const char* polder_last_error(void) { return last_error().c_str(); }
const char* polder_version(void) { return polder::version(); }
