#include "hub/reason.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"

namespace polder::hub {
namespace {

std::string text_of(std::string_view name, const trust::Json& value, std::string_view spec) {
  if (value.string()) return *value.string();
  if (value.integer() && name.ends_with("_s")) return duration_text(*value.integer());
  if (value.integer()) return fmt::format("{}", *value.integer());
  if (!value.number()) return "";
  return fmt::format(fmt::runtime(fmt::format("{{{}}}", spec)), *value.number());
}

std::string filled(std::string_view sentence, const trust::Json::Members& values) {
  std::string text;
  while (true) {
    const std::size_t open = std::min(sentence.find('{'), sentence.size());
    text += sentence.substr(0, open);
    if (open == sentence.size()) return text;
    sentence.remove_prefix(open + 1);
    const std::string_view field = sentence.substr(0, sentence.find('}'));
    const std::size_t colon = std::min(field.find(':'), field.size());
    const auto value = values.find(field.substr(0, colon));
    text += value == values.end() ? fmt::format("{{{}}}", field)
                                  : text_of(value->first, value->second, field.substr(colon));
    sentence.remove_prefix(field.size() + 1);
  }
}

}  // namespace

Reason say(const Sentence& sentence, trust::Json::Members values) {
  std::string text = filled(sentence.text, values);
  return {.code = std::string(sentence.code), .values = std::move(values), .text = std::move(text)};
}

trust::Json::Array texts_of(std::span<const Reason> reasons) {
  trust::Json::Array texts;
  for (const Reason& reason : reasons) texts.emplace_back(reason.text);
  return texts;
}

trust::Json::Array why_of(std::span<const Reason> reasons) {
  trust::Json::Array list;
  for (const Reason& reason : reasons)
    list.push_back(trust::Json::Members{
        {"code", reason.code}, {"text", reason.text}, {"values", reason.values}});
  return list;
}

}  // namespace polder::hub
