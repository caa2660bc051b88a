#include "release/description.h"

#include <cmath>
#include <set>
#include <span>

#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "platform/file.h"

namespace polder::release {

namespace {

using trust::ArtifactKind;

constexpr Option kTop[] = {
    {.name = "model",
     .required = true,
     .doc = "The model's name: 1 to 128 letters, digits, `.`, `-` and `_`."},
    {.name = "version",
     .required = true,
     .doc = "Semantic Versioning without build metadata: `1.2.0`, `2.0.0-rc.1`."},
    {.name = "licence", .required = true, .doc = "An SPDX expression: `Apache-2.0`."},
    {.name = "artifact", .type = OptionType::kTables, .required = true, .doc = "What runs where."},
    {.name = "pipeline", .type = OptionType::kTable, .doc = "The pipeline around the model."},
    {.name = "limits", .type = OptionType::kTable, .doc = "What no device may exceed."},
    {.name = "golden",
     .type = OptionType::kTables,
     .doc = "Inputs with what the model makes of "
            "them; every device tries them."},
    {.name = "baseline",
     .type = OptionType::kTables,
     .doc = "How signals were distributed when the model was judged."},
    {.name = "lineage", .type = OptionType::kTable, .doc = "Where the model comes from."},
    {.name = "card", .type = OptionType::kTable, .doc = "What people should know."},
};

constexpr Option kArtifact[] = {
    {.name = "name",
     .required = true,
     .doc = "What the pipeline calls the model. Of several with one name a device takes one."},
    {.name = "file",
     .required = true,
     .doc = "A plan, .tflite or .onnx, or the agent's program. What a plan needs is read from it."},
    {.name = "sealed", .doc = "`file` as `polder seal` has sealed it: this is what devices get."},
    {.name = "kind",
     .choices = "plan|tflite|onnx|runtime",
     .doc = "Fallback: what the file's first bytes say."},
    {.name = "target",
     .choices = "generic|x86-64-v3|x86-64-v4|arm64",
     .doc = "Fallback: of a plan what it was compiled for, of other models `generic`; of a runtime "
            "it must be given."},
    {.name = "backend", .doc = "What runs a .tflite or .onnx: `litert`. Plans run on `native`."},
    {.name = "latency_ms",
     .type = OptionType::kFloat,
     .unit = "ms",
     .doc = "In place of the release's limit."},
    {.name = "memory_bytes",
     .type = OptionType::kInteger,
     .unit = "bytes",
     .doc = "In place of the release's limit."},
};

constexpr Option kPipeline[] = {
    {.name = "file", .required = true, .doc = "Its models are names of artifacts."},
    {.name = "files",
     .type = OptionType::kStrings,
     .doc = "What else it reads, such as labels; on a device they lie beside it by their names."},
};

constexpr Option kLimits[] = {
    {.name = "latency_ms", .type = OptionType::kFloat, .unit = "ms", .doc = "p99 of one run."},
    {.name = "memory_bytes",
     .type = OptionType::kInteger,
     .unit = "bytes",
     .doc = "Of one model that is open."},
};

constexpr Option kGolden[] = {
    {.name = "name", .required = true, .doc = "Of its own."},
    {.name = "artifact", .required = true, .doc = "Whose; all artifacts of that name are tried."},
    {.name = "inputs",
     .type = OptionType::kStrings,
     .doc = "An .npy for each input of the model, in its order."},
    {.name = "outputs",
     .type = OptionType::kStrings,
     .doc = "An .npy for each output. Without them `--make-goldens` records what comes out."},
    {.name = "seed",
     .type = OptionType::kInteger,
     .min = 0,
     .max = 4294967295.0,
     .doc = "In place of `inputs`: random ones, the same on every machine."},
    {.name = "absolute",
     .type = OptionType::kFloat,
     .fallback = "1e-4",
     .min = 0,
     .max = 1e30,
     .doc = "An element may be off by absolute + relative × its expected size."},
    {.name = "relative",
     .type = OptionType::kFloat,
     .fallback = "1e-3",
     .min = 0,
     .max = 1,
     .doc = "See `absolute`."},
};

constexpr Option kBaseline[] = {
    {.name = "signal", .required = true, .doc = "`detector.score`, `camera.brightness`."},
    {.name = "kind", .required = true, .choices = "input|score", .doc = "What the signal is of."},
    {.name = "edges",
     .type = OptionType::kNumbers,
     .required = true,
     .doc = "15 ascending: bin i holds what is at least edges[i - 1] and less than edges[i]. "
            "`polder play --baselines` makes such tables."},
    {.name = "counts",
     .type = OptionType::kNumbers,
     .required = true,
     .min = 0,
     .max = 9007199254740992.0,
     .doc = "16 whole numbers, one a bin."},
};

constexpr Option kLineage[] = {
    {.name = "recipe",
     .doc = "A file that says how the model was trained or compressed; only its "
            "digest goes into the release."},
    {.name = "parent", .type = OptionType::kTables, .doc = "Releases that it was made from."},
    {.name = "dataset", .type = OptionType::kTables, .doc = "What it was trained or judged on."},
};

constexpr Option kParent[] = {
    {.name = "manifest", .doc = "The parent's manifest.json; or the other three."},
    {.name = "model", .doc = "The parent's name."},
    {.name = "version", .doc = "The parent's version."},
    {.name = "sha256", .doc = "Of the parent's manifest.json."},
};

constexpr Option kDataset[] = {
    {.name = "name", .required = true, .doc = "For people."},
    {.name = "file", .doc = "The data; only their digest goes into the release. Or `sha256`."},
    {.name = "sha256", .doc = "Of the data."},
    {.name = "licence", .doc = "An SPDX expression."},
};

constexpr Option kCard[] = {
    {.name = "summary", .doc = "What it is."},
    {.name = "intended_use", .doc = "What it is for."},
    {.name = "limitations", .doc = "Where it errs."},
    {.name = "training_data", .doc = "What it learned from."},
    {.name = "evaluation_data", .doc = "What it was judged on."},
    {.name = "ethics", .doc = "Whom it may harm."},
    {.name = "contact", .doc = "Whom to ask."},
    {.name = "metric", .type = OptionType::kTables, .doc = "How good it is."},
};

constexpr Option kMetric[] = {
    {.name = "name", .required = true, .doc = "`mAP`."},
    {.name = "slice", .doc = "Of which part of the data: `night`."},
    {.name = "value", .type = OptionType::kFloat, .required = true, .doc = "A number."},
};

struct Section {
  std::string_view heading;
  std::span<const Option> options;
};
constexpr Section kSections[] = {
    {"the top level", kTop}, {"[[artifact]]", kArtifact},     {"[pipeline]", kPipeline},
    {"[limits]", kLimits},   {"[[golden]]", kGolden},         {"[[baseline]]", kBaseline},
    {"[lineage]", kLineage}, {"[[lineage.parent]]", kParent}, {"[[lineage.dataset]]", kDataset},
    {"[card]", kCard},       {"[[card.metric]]", kMetric}};

std::string text_of(const Settings& settings, std::string_view name) {
  return settings.has(name) ? settings.string(name) : std::string();
}

// Checks the table of that name, if it is there, and hands it to `read`.
template <class F>
Status with_table(const Settings& parent, std::string_view name, std::span<const Option> options,
                  const std::string& file, std::string_view heading, const F& read) {
  const TomlValue* table = parent.find(name);
  if (table == nullptr) return {};
  TRY_VALUE(const Settings settings, Settings::check(*table, options, file, heading));
  return read(settings);
}

// The same for each of [[its]] sections.
template <class F>
Status with_tables(const Settings& parent, std::string_view name, std::size_t max_count,
                   std::span<const Option> options, const std::string& file,
                   std::string_view heading, const F& read) {
  const TomlValue* list = parent.find(name);
  if (list == nullptr) return {};
  if (list->items.size() > max_count) {
    return fail(Code::kExhausted, "{}: {} sections {}; {} at most", parent.place(name),
                list->items.size(), heading, max_count);
  }
  for (const TomlValue& item : list->items) {
    TRY_VALUE(const Settings settings, Settings::check(item, options, file, heading));
    TRY(read(settings));
  }
  return {};
}

Result<trust::Version> version_of(const Settings& settings) {
  auto version = trust::Version::parse(settings.string("version"), settings.place("version"));
  if (!version.ok()) return Error{Code::kInvalid, version.error().message};
  return version;
}

Result<trust::Sha256> digest_of(const Settings& settings) {
  const std::string& text = settings.string("sha256");
  trust::Sha256 digest;
  const auto bytes = trust::from_hex(text);
  if (!bytes.ok() || bytes->size() != digest.size()) {
    return fail(Code::kInvalid, "{}: 'sha256': 64 hexadecimal digits expected, '{}' found",
                settings.place("sha256"), clipped(text));
  }
  std::copy(bytes->begin(), bytes->end(), reinterpret_cast<char*>(digest.data()));
  return digest;
}

Status read_limits(const Settings& settings, trust::Limits& limits) {
  if (settings.has("latency_ms")) limits.latency_ms = settings.number("latency_ms");
  if (settings.has("memory_bytes")) limits.memory_bytes = settings.integer("memory_bytes");
  return {};
}

std::optional<ArtifactKind> kind_of(const std::string& name) {
  for (const ArtifactKind kind :
       {ArtifactKind::kPlan, ArtifactKind::kTflite, ArtifactKind::kOnnx, ArtifactKind::kRuntime}) {
    if (trust::artifact_kind_name(kind) == name) return kind;
  }
  return {};
}

Status read_artifact(const Settings& settings, Description& description) {
  ArtifactFile artifact;
  artifact.place = settings.place("name");
  artifact.name = settings.string("name");
  artifact.path = settings.string("file");
  artifact.sealed = text_of(settings, "sealed");
  artifact.kind = kind_of(text_of(settings, "kind"));
  artifact.target = text_of(settings, "target");
  artifact.backend = text_of(settings, "backend");
  description.artifacts.push_back(std::move(artifact));
  return read_limits(settings, description.artifacts.back().limits);
}

Status read_pipeline(const Settings& settings, Description& description) {
  description.pipeline = settings.string("file");
  description.pipeline_files = settings.strings("files");
  return {};
}

Status read_golden(const Settings& settings, Description& description) {
  GoldenFiles golden;
  golden.place = settings.place("name");
  golden.name = settings.string("name");
  golden.artifact = settings.string("artifact");
  golden.inputs = settings.strings("inputs");
  golden.outputs = settings.strings("outputs");
  if (settings.has("seed")) golden.seed = settings.integer("seed");
  golden.absolute = settings.number("absolute");
  golden.relative = settings.number("relative");
  if (settings.has("inputs") && settings.has("seed")) {
    return fail(Code::kInvalid, "{}: 'inputs' and 'seed': one of them", golden.place);
  }
  if (!settings.has("inputs") && !settings.has("seed")) {
    return fail(Code::kInvalid, "{}: 'inputs' are missing; 'seed = 1' makes random ones",
                golden.place);
  }
  description.goldens.push_back(std::move(golden));
  return {};
}

Status read_baseline(const Settings& settings, Description& description) {
  trust::Baseline baseline;
  baseline.signal = settings.string("signal");
  baseline.is_score = settings.string("kind") == "score";
  const auto edges = settings.numbers("edges"), counts = settings.numbers("counts");
  if (edges.size() != baseline.edges.size() || counts.size() != baseline.counts.size()) {
    return fail(Code::kInvalid, "{}: {} edges and {} counts expected, {} and {} found",
                settings.place("edges"), baseline.edges.size(), baseline.counts.size(),
                edges.size(), counts.size());
  }
  std::ranges::copy(edges, baseline.edges.begin());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != std::floor(counts[i])) {
      return fail(Code::kInvalid, "{}: 'counts': whole numbers expected, {} found",
                  settings.place("counts"), counts[i]);
    }
    baseline.counts[i] = std::int64_t(counts[i]);
  }
  description.baselines.push_back(std::move(baseline));
  return {};
}

Status read_parent(const Settings& settings, Description& description) {
  ParentFile parent;
  parent.place = settings.place("manifest");
  parent.manifest = text_of(settings, "manifest");
  const bool named = settings.has("model") && settings.has("version") && settings.has("sha256");
  const bool any = settings.has("model") || settings.has("version") || settings.has("sha256");
  if (parent.manifest.empty() ? !named : any) {
    return fail(Code::kInvalid, "{}: either 'manifest', or 'model', 'version' and 'sha256'",
                parent.place);
  }
  if (named) {
    parent.parent.model = settings.string("model");
    TRY_VALUE(parent.parent.version, version_of(settings));
    TRY_VALUE(parent.parent.manifest, digest_of(settings));
  }
  description.parents.push_back(std::move(parent));
  return {};
}

Status read_dataset(const Settings& settings, Description& description) {
  DatasetFile dataset;
  dataset.place = settings.place("name");
  dataset.path = text_of(settings, "file");
  dataset.dataset.name = settings.string("name");
  dataset.dataset.licence = text_of(settings, "licence");
  if (dataset.path.empty() != settings.has("sha256")) {
    return fail(Code::kInvalid, "{}: either 'file' or 'sha256'", dataset.place);
  }
  if (dataset.path.empty()) {
    TRY_VALUE(dataset.dataset.sha256, digest_of(settings));
  }
  description.datasets.push_back(std::move(dataset));
  return {};
}

Status read_lineage(const Settings& settings, const std::string& file, Description& description) {
  description.recipe = text_of(settings, "recipe");
  TRY(with_tables(settings, "parent", trust::kMaxLineage, kParent, file, "[[lineage.parent]]",
                  [&](const Settings& item) { return read_parent(item, description); }));
  return with_tables(settings, "dataset", trust::kMaxLineage, kDataset, file, "[[lineage.dataset]]",
                     [&](const Settings& item) { return read_dataset(item, description); });
}

Status read_card(const Settings& settings, const std::string& file, trust::ModelCard& card) {
  for (const auto& [name, into] : {std::pair{"summary", &card.summary},
                                   {"intended_use", &card.intended_use},
                                   {"limitations", &card.limitations},
                                   {"training_data", &card.training_data},
                                   {"evaluation_data", &card.evaluation_data},
                                   {"ethics", &card.ethics},
                                   {"contact", &card.contact}}) {
    *into = text_of(settings, name);
  }
  return with_tables(
      settings, "metric", trust::kMaxMetrics, kMetric, file, "[[card.metric]]",
      [&](const Settings& item) -> Status {
        card.metrics.push_back({item.string("name"), text_of(item, "slice"), item.number("value")});
        return {};
      });
}

Status read_sections(const Settings& top, const std::string& file, Description& description) {
  TRY(with_tables(top, "artifact", trust::kMaxArtifacts, kArtifact, file, "[[artifact]]",
                  [&](const Settings& item) { return read_artifact(item, description); }));
  TRY(with_table(top, "pipeline", kPipeline, file, "[pipeline]",
                 [&](const Settings& item) { return read_pipeline(item, description); }));
  TRY(with_table(top, "limits", kLimits, file, "[limits]",
                 [&](const Settings& item) { return read_limits(item, description.limits); }));
  TRY(with_tables(top, "golden", trust::kMaxGoldens, kGolden, file, "[[golden]]",
                  [&](const Settings& item) { return read_golden(item, description); }));
  TRY(with_tables(top, "baseline", trust::kMaxBaselines, kBaseline, file, "[[baseline]]",
                  [&](const Settings& item) { return read_baseline(item, description); }));
  TRY(with_table(top, "lineage", kLineage, file, "[lineage]",
                 [&](const Settings& item) { return read_lineage(item, file, description); }));
  return with_table(top, "card", kCard, file, "[card]",
                    [&](const Settings& item) { return read_card(item, file, description.card); });
}

}  // namespace

Result<Description> parse_description(std::string_view text, const std::string& file) {
  TRY_VALUE(const TomlValue document, parse_toml(text, file));
  TRY_VALUE(const Settings top, Settings::check(document, kTop, file, "the top level"));
  Description description;
  description.model = top.string("model");
  description.licence = top.string("licence");
  TRY_VALUE(description.version, version_of(top));
  TRY(read_sections(top, file, description));
  description.file = file;
  const std::size_t slash = file.rfind('/');
  if (slash != file.npos) description.folder = file.substr(0, slash + 1);
  return description;
}

Result<Description> read_description(const std::string& path) {
  TRY_VALUE(const std::string text, read_file(path, kMaxTomlBytes));
  return parse_description(text, path);
}

std::string description_reference() {
  std::string page =
      "# release.toml\n\nWhat `polder release create` makes a release of. Paths are relative to "
      "the "
      "file's folder.\nThis page is made by `polder release create --reference`.\n";
  for (const Section& section : kSections) {
    page += fmt::format("\n## {}\n\n{}", section.heading, options_markdown(section.options));
  }
  return page;
}

}  // namespace polder::release
