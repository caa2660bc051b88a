// polder compile: a model file into a plan.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output_file.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--output", "FILE", "the plan (default: the model's name with .plan)"},
    POLDER_MODEL_OPTIONS,
    {"--json", "", "prints the result as JSON"}};

std::string default_output(const std::string& model) {
  const std::size_t slash = model.find_last_of('/'), dot = model.find_last_of('.');
  const bool has_extension = dot != model.npos && (slash == model.npos || dot > slash);
  return (has_extension ? model.substr(0, dot) : model) + ".plan";
}

Result<int> run(const Args& args) {
  const std::string& model = args.positional()[0];
  const std::string output = args.text("--output", default_output(model));
  TRY(check_output(output, args, "--output"));
  TRY_VALUE(const ModelOptions options, model_options(args));
  TRY_VALUE(const compile::CompileOptions compile, compile_options(model, options.open));
  TRY_VALUE(Graph graph, import_model(model, options.open));
  const std::size_t nodes_before = graph.nodes.size();
  auto compiled = compile::compile(std::move(graph), compile);
  if (!compiled) return std::move(compiled).error().at(model);
  TRY(compiled->write(output));
  const std::size_t bytes = compiled->program.view.size() + compiled->constants.view.size();
  if (args.has("--json")) {
    const nlohmann::ordered_json result = {{"plan", output},
                                           {"target", kernel::isa_name(compile.target)},
                                           {"bytes", bytes},
                                           {"constant_bytes", compiled->constants.view.size()},
                                           {"arena_bytes", compiled->arena_bytes},
                                           {"nodes_imported", nodes_before}};
    std::printf("%s\n",
                result.dump(2, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    fmt::print("{}: {}, {} ({} constants), arena {}\n", one_line(output),
               kernel::isa_name(compile.target), bytes_text(bytes),
               bytes_text(compiled->constants.view.size()), bytes_text(compiled->arena_bytes));
  }
  return 0;
}

}  // namespace

const Command kCompile = {
    .name = "compile",
    .summary =
        "Compiles an ONNX or TFLite model into a plan. That opens in microseconds, a large "
        "one in\nmilliseconds.",
    .arguments = "MODEL",
    .example =
        "  polder compile models/ssd_mobilenet_v2.tflite --output ssd.plan\n"
        "  polder compile detector.onnx --shape x=1,3,640,640 --target arm64",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
