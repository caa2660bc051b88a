#include "agent/release_names.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agent/signals.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "pipeline/node.h"
#include "proto/worker.h"
#include "telemetry/counters.h"
#include "trust/digest.h"

namespace polder::agent {
namespace {

static_assert(kMaxClassNameBytes <= telemetry::Counters::kMaxNameBytes);

Result<std::string> read_signed(Storage& storage, const std::string& name,
                                const trust::Sha256& digest, std::size_t most) {
  TRY_VALUE(std::string bytes, read_stored(storage, name, most));
  if (trust::sha256(bytes) != digest)
    return fail(Code::kCorrupt, "{}: SHA-256 {} expected, found {}; it is not the release's", name,
                trust::hex(digest), trust::hex(trust::sha256(bytes)));
  return bytes;
}

bool has_labels_option(const pipeline::NodeType& type) {
  return std::ranges::any_of(type.options, [](const Option& o) { return o.name == "labels"; });
}

// Files of labels that the decoders name; empty when one of them has none.
std::set<std::string> label_files(const TomlValue& pipeline) {
  std::set<std::string> files;
  const TomlValue* steps = pipeline.find("node");
  if (!steps) return files;
  for (const TomlValue& step : steps->items) {
    const TomlValue* type_name = step.find("type");
    const pipeline::NodeType* type =
        type_name ? pipeline::find_node_type(type_name->string) : nullptr;
    if (!type || !has_labels_option(*type)) continue;
    const TomlValue* labels = step.find("labels");
    if (!labels || labels->kind != TomlKind::kString) return {};
    files.insert(labels->string);
  }
  return files;
}

bool is_name(std::string_view label) {
  return !label.empty() && label.size() <= kMaxClassNameBytes &&
         std::ranges::all_of(label, [](char c) { return c >= ' ' && c <= '~'; });
}

// One to a line, as the decoders read them.
ClassNames names_in(std::string_view text) {
  ClassNames names;
  while (!text.empty() && names.size() < proto::kMaxClasses) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    names.push_back(is_name(line) ? std::string(line) : std::to_string(names.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

void merge(ClassNames& to, const ClassNames& other) {
  const std::size_t both = std::min(to.size(), other.size());
  for (std::size_t i = 0; i < std::max(to.size(), other.size()); ++i) {
    if (i >= to.size()) to.push_back(std::to_string(i));
    else if (i >= both || to[i] != other[i]) to[i] = std::to_string(i);
  }
}

// Errors: kCorrupt for a file that is not the manifest's; kNotFound for labels that are not the
// release's; those of reading.
Result<ClassNames> class_names(Storage& storage, const StagedRelease& staged,
                               const TomlValue& document) {
  std::optional<ClassNames> names;
  const auto& files = staged.manifest.pipeline->files;
  for (const std::string& file : label_files(document)) {
    const auto digest = files.find(file);
    if (digest == files.end())
      return fail(Code::kNotFound, "{}: labels '{}' are no file of the release", staged.pipeline(),
                  clipped(file));
    TRY_VALUE(const std::string labels,
              read_signed(storage, staged.folder + "/" + file, digest->second, kMaxLabelsBytes));
    if (names) merge(*names, names_in(labels));
    else names = names_in(labels);
  }
  return names ? std::move(*names) : ClassNames();
}

}  // namespace

std::string class_name(const ClassNames& names, std::size_t number) {
  return number < names.size() ? names[number] : std::to_string(number);
}

ReleaseNames reported_names(const TomlValue& document) {
  ReleaseNames names;
  const TomlValue* steps = document.find("node");
  if (!steps) return names;
  for (const TomlValue& step : steps->items) {
    const TomlValue* name = step.find("name");
    const TomlValue* type = step.find("type");
    pipeline::NodeSpec spec;
    spec.type = type ? pipeline::find_node_type(type->string) : nullptr;
    if (!name || !spec.type) continue;
    spec.name = name->string;
    names.stages.insert(spec.name.substr(0, proto::kMaxNameBytes));
    if (std::string signal = signal_of(spec); !signal.empty())
      names.signals.insert(std::move(signal));
    if (std::string found = found_signal_of(spec); !found.empty())
      names.signals.insert(std::move(found));
  }
  return names;
}

Result<ReleaseNames> release_names(Storage& storage, const StagedRelease& staged) {
  if (!staged.manifest.pipeline) return ReleaseNames();
  TRY_VALUE(const std::string text,
            read_signed(storage, staged.pipeline(), staged.manifest.pipeline->blob, kMaxTomlBytes));
  TRY_VALUE(const TomlValue document, parse_toml(text, staged.pipeline()));
  ReleaseNames names = reported_names(document);
  if (auto classes = class_names(storage, staged, document); classes.ok())
    names.classes = std::move(*classes);
  else names.trouble = classes.error().message;
  return names;
}

}  // namespace polder::agent
