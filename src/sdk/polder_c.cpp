// The C interface of libpolder, over the C++ one.
#include <polder/model.h>
#include <polder/polder.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/fail.h"
#include "platform/memory.h"

using polder::Code;
using polder::Error;
using polder::fail;
using polder::Model;
using polder::OpenOptions;
using polder::Port;
using polder::Result;
using polder::Shape;
using polder::Status;
using polder::TensorView;

struct polder_model {
  Model model;
  std::vector<TensorView> inputs;  // of a run: one for each port
};

namespace {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

int report(Error error) {
  last_error() = std::move(error.message);
  return int(error.code);
}

// The code of what `body` returns. No exception passes into C: running out of memory is an error.
template <class F>
int code_of(F body) {
  int code = 0;
  const auto work = [&] {
    Status status = body();
    code = status ? 0 : report(std::move(status).error());
  };
  const auto call = [](void* context) { (*static_cast<decltype(work)*>(context))(); };
  if (polder::call_within_memory(call, const_cast<void*>(static_cast<const void*>(&work))))
    return code;
  last_error().assign("out of memory");  // no longer than what a string holds in itself
  return int(Code::kExhausted);
}

Status expect_given(const char* function, const char* argument, const void* pointer) {
  if (pointer) return {};
  return fail(Code::kInvalid, "{}: {} must not be NULL", function, argument);
}

Status expect_index(const char* function, int index, std::size_t count) {
  if (index >= 0 && std::size_t(index) < count) return {};
  return fail(Code::kInvalid, "{}: no index {}; the model has {}", function, index, count);
}

void describe(const Shape& shape, polder::DataType type, void* data, polder_tensor* out) {
  *out = {};
  out->data = data;
  out->type = int32_t(type);
  out->rank = shape.rank();
  std::copy(shape.begin(), shape.end(), out->dims);
}

Result<std::span<const std::int64_t>> dims_of(const polder_tensor& tensor) {
  if (tensor.rank < 0 || tensor.rank > POLDER_MAX_RANK)
    return fail(Code::kInvalid, "rank {}; 0 to {} expected", tensor.rank, POLDER_MAX_RANK);
  return std::span(tensor.dims, std::size_t(tensor.rank));
}

Result<TensorView> view_of(const polder_tensor& tensor) {
  TRY_VALUE(const auto dims, dims_of(tensor));
  if (tensor.type < POLDER_F32 || tensor.type > POLDER_BOOL)
    return fail(Code::kInvalid, "no type is {}", tensor.type);
  return TensorView{tensor.data, polder::DataType(tensor.type), Shape(dims)};
}

// The first `count` of a list of the options.
template <class T>
Result<std::span<const T>> list_of(const char* name, const T* items, int32_t count) {
  if (count < 0) return fail(Code::kInvalid, "polder_open: {} {}", count, name);
  if (count > 0) TRY(expect_given("polder_open", name, items));
  return std::span(items, std::size_t(count));
}

Status add_input(const polder_named_input& input, OpenOptions& to) {
  TRY(expect_given("polder_open", "the name of an input", input.name));
  const auto place = [&](Error error) {
    return std::move(error).at(fmt::format("polder_open: input '{}'", input.name));
  };
  if (input.tensor.data) {
    auto view = view_of(input.tensor);
    if (!view) return place(std::move(view).error());
    to.bindings.emplace_back(input.name, *view);
  } else {
    auto dims = dims_of(input.tensor);
    if (!dims) return place(std::move(dims).error());
    to.shapes.emplace_back(input.name, std::vector(dims->begin(), dims->end()));
  }
  return {};
}

// The caller's options as this version knows them. A caller of an older polder.h gives fewer; one
// of a newer may give more as long as it leaves them 0.
Result<polder_options> known_options(const polder_options* given) {
  constexpr std::size_t kMostBytes = 4096;  // of any version
  const std::size_t size = given->size;
  if (size < sizeof given->size || size > kMostBytes) {
    return fail(Code::kInvalid,
                "polder_open: the options' size is {}; set it to sizeof(polder_options)", size);
  }
  polder_options known{};
  std::memcpy(&known, given, std::min(size, sizeof known));
  const auto* bytes = reinterpret_cast<const char*>(given);
  if (std::any_of(bytes + std::min(size, sizeof known), bytes + size, [](char c) { return c; })) {
    return fail(Code::kIncompatible,
                "polder_open: options that polder {} does not have; use its polder.h or a newer "
                "library",
                POLDER_VERSION);
  }
  return known;
}

Result<OpenOptions> open_options(const polder_options* from) {
  TRY_VALUE(const polder_options given, known_options(from));
  OpenOptions options;
  if (given.threads) options.threads = given.threads;
  if (given.target) options.target = given.target;
  if (given.max_iterations) options.max_iterations = given.max_iterations;
  TRY_VALUE(const auto inputs, list_of("inputs", given.inputs, given.input_count));
  for (const polder_named_input& input : inputs) TRY(add_input(input, options));
  TRY_VALUE(const auto bounds, list_of("bounds", given.bounds, given.bound_count));
  for (const polder_bound& bound : bounds) {
    TRY(expect_given("polder_open", "the dimension of a bound", bound.dimension));
    options.bounds.emplace_back(bound.dimension, bound.most);
  }
  return options;
}

Status open(const char* path, const polder_options* options, polder_model** model) {
  TRY(expect_given("polder_open", "model", model));
  *model = nullptr;
  TRY(expect_given("polder_open", "path", path));
  TRY_VALUE(const OpenOptions how, options ? open_options(options) : OpenOptions());
  TRY_VALUE(Model opened, Model::open(path, how));
  const std::size_t count = opened.inputs().size();
  *model = new polder_model{std::move(opened), std::vector<TensorView>(count)};
  return {};
}

using Ports = std::span<const Port> (Model::*)() const;

int count_ports(const char* function, const polder_model* model, Ports ports) {
  const auto given = [&] { return expect_given(function, "model", model); };
  return code_of(given) == 0 ? int((model->model.*ports)().size()) : -1;
}

Status describe_port(const char* function, const polder_model* model, Ports list, int index,
                     Shape Port::*shape, polder_tensor* port, const char** name) {
  TRY(expect_given(function, "model", model));
  TRY(expect_given(function, "port", port));
  const std::span<const Port> ports = (model->model.*list)();
  TRY(expect_index(function, index, ports.size()));
  const Port& described = ports[std::size_t(index)];
  describe(described.*shape, described.type, nullptr, port);
  if (name) *name = described.name.c_str();
  return {};
}

Status run(polder_model* model, const polder_tensor* inputs, int count) {
  TRY(expect_given("polder_run", "model", model));
  if (count < 0 || std::size_t(count) != model->inputs.size()) {
    return fail(Code::kInvalid, "polder_run: {} inputs expected, {} given", model->inputs.size(),
                count);
  }
  if (count > 0) TRY(expect_given("polder_run", "inputs", inputs));
  for (int i = 0; i < count; ++i) {
    auto view = view_of(inputs[i]);
    if (!view) return std::move(view).error().at(fmt::format("polder_run: input {}", i));
    model->inputs[std::size_t(i)] = *view;
  }
  return model->model.run(model->inputs);
}

Status result(const polder_model* model, int index, polder_tensor* out) {
  TRY(expect_given("polder_result", "model", model));
  TRY(expect_given("polder_result", "result", out));
  TRY(expect_index("polder_result", index, model->model.outputs().size()));
  const TensorView view = model->model.output(index);
  if (view.type == polder::DataType::kNone)
    return fail(Code::kInvalid, "polder_result: there is none before a successful polder_run");
  describe(view.shape, view.type, view.data, out);
  return {};
}

}  // namespace

int polder_open(const char* path, const polder_options* options, polder_model** model) {
  return code_of([&] { return open(path, options, model); });
}

void polder_close(polder_model* model) { delete model; }

int polder_input_count(const polder_model* model) {
  return count_ports("polder_input_count", model, &Model::inputs);
}

int polder_output_count(const polder_model* model) {
  return count_ports("polder_output_count", model, &Model::outputs);
}

int polder_input(const polder_model* model, int index, polder_tensor* port, const char** name) {
  return code_of([&] {
    return describe_port("polder_input", model, &Model::inputs, index, &Port::shape, port, name);
  });
}

int polder_output(const polder_model* model, int index, polder_tensor* port, const char** name) {
  return code_of([&] {
    return describe_port("polder_output", model, &Model::outputs, index, &Port::shape, port, name);
  });
}

int polder_input_bounds(const polder_model* model, int index, polder_tensor* port) {
  return code_of([&] {
    return describe_port("polder_input_bounds", model, &Model::inputs, index, &Port::bounds, port,
                         nullptr);
  });
}

int polder_output_bounds(const polder_model* model, int index, polder_tensor* port) {
  return code_of([&] {
    return describe_port("polder_output_bounds", model, &Model::outputs, index, &Port::bounds, port,
                         nullptr);
  });
}

int polder_run(polder_model* model, const polder_tensor* inputs, int count) {
  return code_of([&] { return run(model, inputs, count); });
}

int polder_result(const polder_model* model, int index, polder_tensor* out) {
  return code_of([&] { return result(model, index, out); });
}

const char* polder_last_error(void) { return last_error().c_str(); }
const char* polder_version(void) { return polder::version(); }
