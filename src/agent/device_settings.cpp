#include "agent/device_settings.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "pipeline/graph.h"
#include "pipeline/node.h"
#include "platform/folder.h"

namespace polder::agent {
namespace {

constexpr char kTable[] = "pipeline", kPipelineName[] = "pipeline.toml", kPath[] = "path";

std::string section_of(std::string_view unit) { return fmt::format("[{}.{}]", kTable, unit); }

bool has_table(const TomlValue& value) {
  return value.kind == TomlKind::kTable || std::ranges::any_of(value.items, has_table);
}

// Keys are as people write them: "camera.path" in quotes, or camera.path, or [pipeline.x.camera].
struct Reader {
  std::string_view file;
  std::string section;
  std::vector<DeviceSetting> settings = {};

  Status add(std::string_view step, std::string_view key, const TomlValue& value) {
    const std::string place =
        fmt::format("{}:{}: {} {}.{}", file, value.line, section, clipped(step), clipped(key));
    if (step.empty() || key.empty() || step.find('=') != step.npos || key.find('=') != key.npos)
      return fail(Code::kInvalid, "{}: STEP.KEY = VALUE expected, such as camera.path = \"/a\"",
                  place);
    if (has_table(value)) return fail(Code::kInvalid, "{}: a table cannot be set here", place);
    if (settings.size() == kMaxDeviceSettings)
      return fail(Code::kExhausted, "{}: more than {} settings", place, kMaxDeviceSettings);
    std::string text = toml_text(value);
    if (text.size() > kMaxDeviceSettingBytes || !parse_toml("v = " + text, file).ok())
      return fail(Code::kExhausted, "{}: a value of {} bytes; at most {}", place, text.size(),
                  kMaxDeviceSettingBytes);
    settings.push_back({.step = std::string(step),
                        .key = std::string(key),
                        .value = std::move(text),
                        .file = std::string(file),
                        .line = value.line});
    return {};
  }
  Status read(const TomlValue& table) {
    for (const auto& [name, value] : table.members) {
      if (value.kind != TomlKind::kTable) {
        const std::size_t dot = name.rfind('.');
        const bool has_dot = dot != name.npos;
        TRY(add(name.substr(0, has_dot ? dot : 0), name.substr(has_dot ? dot + 1 : 0), value));
        continue;
      }
      for (const auto& [key, inner] : value.members) TRY(add(name, key, inner));
    }
    return {};
  }
};

std::string list_of(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names)
    text += fmt::format("{}'{}'", text.empty() ? "" : ", ", clipped(name));
  return text.empty() ? "none" : text;
}

// "; did you mean 'path'? Known: ..."
std::string known(std::string_view name, std::span<const std::string_view> names) {
  const std::string_view near = nearest_name(name, names);
  return fmt::format("{}: {}",
                     near.empty() ? "; known" : fmt::format("; did you mean '{}'? Known", near),
                     list_of(names));
}

bool may_be_set(const Option& option) {
  return !option.fixed && option.type != OptionType::kTable && option.type != OptionType::kTables;
}

const TomlValue* find_step(const TomlValue& pipeline, std::string_view name,
                           std::vector<std::string_view>& names) {
  const TomlValue* steps = pipeline.find("node");
  const TomlValue* found = nullptr;
  for (const TomlValue& step : steps ? std::span(steps->items) : std::span<const TomlValue>()) {
    const TomlValue* own = step.find("name");
    if (!own) continue;
    names.push_back(own->string);
    if (own->string == name) found = &step;
  }
  return found;
}

const pipeline::NodeType* type_of(const TomlValue& step) {
  const TomlValue* name = step.find("type");
  return name ? pipeline::find_node_type(name->string) : nullptr;
}

Status check_one(const TomlValue& pipeline, const DeviceSetting& setting) {
  const std::string place = fmt::format("{}:{}", setting.file, setting.line);
  std::vector<std::string_view> names;
  const TomlValue* step = find_step(pipeline, setting.step, names);
  if (!step) {
    return fail(Code::kInvalid, "{}: the release's pipeline has no step '{}'{}", place,
                clipped(setting.step), known(setting.step, names));
  }
  const pipeline::NodeType* type = type_of(*step);
  if (!type) return {};  // the pipeline's own fault
  std::vector<std::string_view> keys;
  const Option* found = nullptr;
  for (const Option& option : type->options) {
    if (!may_be_set(option)) continue;
    keys.push_back(option.name);
    if (option.name == setting.key) found = &option;
  }
  const std::string where = fmt::format("step '{}' ({})", setting.step, type->name);
  if (!found) {
    return fail(Code::kInvalid, "{}: {} has no key '{}' that a device may set{}", place, where,
                clipped(setting.key), known(setting.key, keys));
  }
  TRY_VALUE(TomlValue table, parse_toml("v = " + setting.value, setting.file));
  table.members.front().first = setting.key;
  table.members.front().second.line = setting.line;
  TRY_VALUE([[maybe_unused]] const Settings checked,
            Settings::check(table, std::span(found, 1), setting.file, where));
  return {};
}

// The device's word for a step's path; nullptr where the release's holds. The last one counts.
const DeviceSetting* find_path(std::span<const DeviceSetting> settings, std::string_view step) {
  const DeviceSetting* found = nullptr;
  for (const DeviceSetting& setting : settings)
    if (setting.step == step && setting.key == kPath) found = &setting;
  return found;
}

// Of one source.
Status find_input(const TomlValue& source, std::string_view unit,
                  std::span<const DeviceSetting> settings, const HasFile& has_file) {
  const TomlValue *name = source.find("name"), *path = source.find(kPath);
  if (!name) return {};  // the pipeline's own fault
  const DeviceSetting* own = find_path(settings, name->string);
  const auto set =
      own ? parse_toml("v = " + own->value, own->file) : Result<TomlValue>(TomlValue());
  if (!set.ok()) return {};
  if (own) path = &set->members.front().second;
  if (!path || path->kind != TomlKind::kString) return {};
  const std::string option =
      fmt::format("{} {}.{}", section_of(unit), clipped(name->string), kPath);
  const std::string place = own ? fmt::format("{}:{}: {}", own->file, own->line, option) : option;
  const std::string shown = clipped(path->string);
  if (!path->string.starts_with('/')) {
    if (has_file(pipeline::plain_path(path->string))) return {};
    return fail(
        Code::kNotFound,
        "{}: '{}' is not there, for the release has no such file: set it in polderd.toml to "
        "what this device has",
        place, shown);
  }
  const auto kind = entry_kind(path->string);
  if (!kind.ok() && kind.error().code != Code::kNotFound) return Error(kind.error()).at(place);
  if (kind.ok() && (*kind != EntryKind::kLink || is_same_file(path->string, path->string)))
    return {};
  return fail(
      Code::kNotFound, "{}: '{}' is not there; {}", place, shown,
      own ? "connect it, or name what is there"
          : "the release reads it: connect it, or set this in polderd.toml to what is there");
}

}  // namespace

Result<DeviceSettings> read_device_settings(const Settings& top, std::string_view file,
                                            std::span<const std::string> models) {
  DeviceSettings all;
  const TomlValue* units = top.find(kTable);
  if (!units) return all;
  const std::vector<std::string_view> names(models.begin(), models.end());
  for (const auto& [unit, table] : units->members) {
    const std::string place = fmt::format("{}:{}: {}", file, table.line, section_of(clipped(unit)));
    if (std::ranges::find(names, std::string_view(unit)) == names.end())
      return fail(Code::kInvalid, "{}: '{}' is not among 'models'{}", place, clipped(unit),
                  known(unit, names));
    if (table.kind != TomlKind::kTable)
      return fail(Code::kInvalid, "{}: a table expected, with STEP.KEY = VALUE in it", place);
    Reader reader{.file = file, .section = section_of(unit)};
    TRY(reader.read(table));
    all.emplace(unit, std::move(reader.settings));
  }
  return all;
}

Status check_device_settings(std::string_view pipeline, std::span<const DeviceSetting> settings) {
  if (settings.empty()) return {};
  auto released = parse_toml(pipeline, kPipelineName);
  if (!released.ok()) return {};
  TomlValue document = *released;
  for (const DeviceSetting& setting : settings) {
    TRY(check_one(*released, setting));
    TRY(pipeline::override_setting(document, setting.assignment()));
  }
  // What only shows in the whole: two sinks that write to one file.
  const auto whole = pipeline::load_graph(document, kPipelineName);
  if (whole.ok() || !pipeline::load_graph(*released, kPipelineName).ok()) return {};
  return fail(Code::kInvalid, "{}:{}: the pipeline with this device's settings: {}",
              settings.front().file, settings.front().line, whole.error().message);
}

Status find_device_inputs(std::string_view pipeline, std::string_view unit,
                          std::span<const DeviceSetting> settings, const HasFile& has_file) {
  const auto released = parse_toml(pipeline, kPipelineName);
  const TomlValue* steps = released.ok() ? released->find("node") : nullptr;
  for (const TomlValue& step : steps ? std::span(steps->items) : std::span<const TomlValue>()) {
    const pipeline::NodeType* type = type_of(step);
    if (type && type->inputs.empty()) TRY(find_input(step, unit, settings, has_file));
  }
  return {};
}

}  // namespace polder::agent
