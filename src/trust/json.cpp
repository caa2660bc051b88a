#include "trust/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"

namespace polder::trust {

namespace {

// Builds the tree from the parser's events; each returns false to stop, with error_ set.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override { return put(Json(std::int64_t(value))); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > std::uint64_t(INT64_MAX)) return stop(Code::kCorrupt, "an integer beyond 64 bits");
    return put(Json(std::int64_t(value)));
  }
  bool number_float(number_float_t value, const string_t& digits) override {
    // An integer too large for 64 bits comes here as a double: it would not be what was written.
    if (digits.find_first_of(".eE") == digits.npos) {
      return stop(Code::kCorrupt, "an integer beyond 64 bits");
    }
    return put(Json(double(value)));
  }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return stop(Code::kCorrupt, "binary data"); }
  bool start_object(std::size_t) override { return open(Json(Json::Members())); }
  bool key(string_t& name) override {
    Json::Members& members = *open_.back()->members();
    if (members.find(name) != members.end()) {
      return stop(Code::kCorrupt, fmt::format("the name '{}' twice in an object", clipped(name)));
    }
    name_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json(Json::Array())); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    position = std::min(position == 0 ? 0 : position - 1, text_.size());
    const std::string_view before = text_.substr(0, position);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    error_ =
        fail(Code::kCorrupt, "{}:{}:{}: {}", where_, line, position - start + 1,
             position == text_.size() ? "JSON expected, but the text ends here" : "no JSON here");
    return false;
  }

  Json take() { return std::move(root_); }
  Error take_error() { return std::move(*error_); }

 private:
  bool stop(Code code, std::string what) {
    error_ = fail(code, "{}: {}", where_, what);
    return false;
  }
  // Where the value went, or nullptr.
  Json* place(Json value) {
    if (++count_ > Json::kMaxValues) {
      stop(Code::kExhausted, fmt::format("more than {} values", Json::kMaxValues));
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(value));
    if (Json::Array* array = open_.back()->array()) return &array->emplace_back(std::move(value));
    return &((*open_.back()->members())[std::move(name_)] = std::move(value));
  }
  bool put(Json value) { return place(std::move(value)) != nullptr; }
  bool open(Json value) {
    if (int(open_.size()) >= Json::kMaxDepth) {
      return stop(Code::kExhausted, fmt::format("nested more than {} deep", Json::kMaxDepth));
    }
    Json* placed = place(std::move(value));
    if (placed == nullptr) return false;
    // Stays valid: what holds it takes no other value before it is closed.
    open_.push_back(placed);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_, where_;
  Json root_;
  std::vector<Json*> open_;
  std::string name_;
  std::size_t count_ = 0;
  std::optional<Error> error_;
};

// What a writer does differently for machines, signatures and people.
struct Style {
  bool canonical = false;
  int indent = 0;  // 0: on one line
};

void write_string(std::string& out, const std::string& text, bool canonical) {
  out += '"';
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (static_cast<unsigned char>(character) < 0x20 && !canonical) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
    } else {
      out += character;
    }
  }
  out += '"';
}

void write_break(std::string& out, const Style& style, int depth) {
  if (style.indent == 0) return;
  out += '\n';
  out.append(std::size_t(depth * style.indent), ' ');
}

void write(std::string& out, const Json& value, const Style& style, int depth) {
  if (const bool* boolean = value.boolean()) {
    out += *boolean ? "true" : "false";
  } else if (const std::int64_t* integer = value.integer()) {
    out += fmt::format("{}", *integer);
  } else if (const double* number = value.number()) {
    // JSON has no infinities; a double is written so that it is read as one.
    std::string digits = *number - *number == 0 ? fmt::format("{}", *number) : "null";
    if (digits.find_first_of(".en") == digits.npos) digits += ".0";
    out += digits;
  } else if (const std::string* string = value.string()) {
    write_string(out, *string, style.canonical);
  } else if (const Json::Array* array = value.array()) {
    out += '[';
    for (const Json& item : *array) {
      if (&item != array->data()) out += ',';
      write_break(out, style, depth + 1);
      write(out, item, style, depth + 1);
    }
    if (!array->empty()) write_break(out, style, depth);
    out += ']';
  } else if (const Json::Members* members = value.members()) {
    out += '{';
    bool first = true;
    for (const auto& [name, member] : *members) {
      if (!first) out += ',';
      first = false;
      write_break(out, style, depth + 1);
      write_string(out, name, style.canonical);
      out += style.indent > 0 ? ": " : ":";
      write(out, member, style, depth + 1);
    }
    if (!first) write_break(out, style, depth);
    out += '}';
  } else {
    out += "null";
  }
}

bool holds_double(const Json& value) {
  if (const Json::Array* array = value.array()) {
    return std::any_of(array->begin(), array->end(), holds_double);
  }
  if (const Json::Members* members = value.members()) {
    return std::any_of(members->begin(), members->end(),
                       [](const auto& member) { return holds_double(member.second); });
  }
  return value.number() != nullptr;
}

Error wrong_kind(const std::string& place, std::string_view expected, const Json& found) {
  return fail(Code::kCorrupt, "{}: {} expected, {} found", place, expected, found.kind());
}

}  // namespace

Result<Json> Json::parse(std::string_view text, std::string_view where) {
  if (text.size() > kMaxBytes) {
    return fail(Code::kExhausted, "{}: {} bytes of JSON; {} at most", where, text.size(),
                kMaxBytes);
  }
  Builder builder(text, where);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.take_error();
  return builder.take();
}

const Json* Json::find(std::string_view name) const {
  const Members* all = members();
  if (all == nullptr) return nullptr;
  const auto found = all->find(name);
  return found == all->end() ? nullptr : &found->second;
}

std::string_view Json::kind() const {
  static constexpr std::string_view kKinds[] = {"null", "true or false", "an integer", "a number",
                                                "text", "a list",        "an object"};
  return kKinds[value_.index()];
}

Result<std::string> Json::canonical() const {
  if (holds_double(*this)) {
    return fail(Code::kUnsupported, "canonical JSON has integers only; a fraction was found");
  }
  std::string out;
  write(out, *this, {.canonical = true}, 0);
  return out;
}

std::string Json::pretty(int indent) const {
  std::string out;
  write(out, *this, {.indent = indent}, 0);
  out += '\n';
  return out;
}

std::string Json::compact() const {
  std::string out;
  write(out, *this, {}, 0);
  return out;
}

Result<Object> Object::of(const Json& value, std::string where) {
  if (value.members() == nullptr) return wrong_kind(where, "an object", value);
  return Object(value.members(), std::move(where));
}

Result<const Json*> Object::get(std::string_view name) const {
  const auto found = members_->find(name);
  if (found == members_->end()) return fail(Code::kCorrupt, "{}: missing", place(name));
  return &found->second;
}

Result<std::string> Object::text(std::string_view name, std::size_t max_bytes) const {
  TRY_VALUE(const Json* value, get(name));
  if (value->string() == nullptr) return wrong_kind(place(name), "text", *value);
  if (value->string()->size() > max_bytes) {
    return fail(Code::kCorrupt, "{}: {} bytes of text; {} at most", place(name),
                value->string()->size(), max_bytes);
  }
  return *value->string();
}

Result<std::int64_t> Object::integer(std::string_view name, std::int64_t min,
                                     std::int64_t max) const {
  TRY_VALUE(const Json* value, get(name));
  if (value->integer() == nullptr) return wrong_kind(place(name), "an integer", *value);
  if (*value->integer() < min || *value->integer() > max) {
    return fail(Code::kCorrupt, "{}: an integer from {} to {} expected, {} found", place(name), min,
                max, *value->integer());
  }
  return *value->integer();
}

Result<double> Object::number(std::string_view name) const {
  TRY_VALUE(const Json* value, get(name));
  if (value->integer() != nullptr) return double(*value->integer());
  if (value->number() == nullptr) return wrong_kind(place(name), "a number", *value);
  return *value->number();
}

Result<bool> Object::boolean(std::string_view name) const {
  TRY_VALUE(const Json* value, get(name));
  if (value->boolean() == nullptr) return wrong_kind(place(name), "true or false", *value);
  return *value->boolean();
}

Result<Object> Object::object(std::string_view name) const {
  TRY_VALUE(const Json* value, get(name));
  return of(*value, place(name));
}

Result<const Json::Array*> Object::array(std::string_view name, std::size_t max_count) const {
  TRY_VALUE(const Json* value, get(name));
  if (value->array() == nullptr) return wrong_kind(place(name), "a list", *value);
  if (value->array()->size() > max_count) {
    return fail(Code::kCorrupt, "{}: {} items; {} at most", place(name), value->array()->size(),
                max_count);
  }
  return value->array();
}

Result<std::vector<std::string>> Object::texts(std::string_view name, std::size_t max_count,
                                               std::size_t max_bytes) const {
  TRY_VALUE(const Json::Array* items, array(name, max_count));
  std::vector<std::string> result;
  result.reserve(items->size());
  for (const Json& item : *items) {
    const std::string here = fmt::format("{}[{}]", place(name), result.size());
    if (item.string() == nullptr) return wrong_kind(here, "text", item);
    if (item.string()->size() > max_bytes) {
      return fail(Code::kCorrupt, "{}: {} bytes of text; {} at most", here, item.string()->size(),
                  max_bytes);
    }
    result.push_back(*item.string());
  }
  return result;
}

Status Object::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : *members_) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string_view near = nearest_name(name, {names.begin(), names.size()});
    return fail(Code::kCorrupt, "{}: unknown member{}", place(clipped(name)),
                near.empty() ? std::string() : fmt::format("; is '{}' meant?", near));
  }
  return {};
}

Json::Members Object::except(std::initializer_list<std::string_view> names) const {
  Json::Members rest;
  for (const auto& [name, value] : *members_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) rest.emplace(name, value);
  }
  return rest;
}

}  // namespace polder::trust
