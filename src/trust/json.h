// JSON of signed documents: read strictly, held to caps, and written canonically.
//
//   TRY_VALUE(const Json document, Json::parse(text, "root.json"));
//   TRY_VALUE(const Object root, Object::of(document, "root.json"));
//   TRY_VALUE(const std::int64_t version, root.integer("version", 1, kMaxVersion));
//   TRY(root.only({"version", "expires"}));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace polder::trust {

// A value. Numbers are integers of 64 bits or, where a document may hold them, doubles. Members of
// objects are in the order of their names' bytes.
class Json {
 public:
  using Array = std::vector<Json>;
  using Members = std::map<std::string, Json, std::less<>>;

  static constexpr std::size_t kMaxBytes = 64u << 20;
  static constexpr int kMaxDepth = 32;
  static constexpr std::size_t kMaxValues = 4u << 20;

  Json() = default;  // null
  Json(bool value) : value_(value) {}
  Json(int value) : value_(std::int64_t(value)) {}
  Json(std::int64_t value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Members value) : value_(std::move(value)) {}

  // `where` names the document in errors. Errors: kCorrupt for what is no JSON (RFC 8259), text
  // that is not UTF-8, a name twice in an object, an integer beyond 64 bits and anything after the
  // value, with its line and column; kExhausted above the caps.
  static Result<Json> parse(std::string_view text, std::string_view where);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  const double* number() const { return std::get_if<double>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Members* members() const { return std::get_if<Members>(&value_); }
  Array* array() { return std::get_if<Array>(&value_); }
  Members* members() { return std::get_if<Members>(&value_); }
  // The member of that name, or nullptr (also when this is no object).
  const Json* find(std::string_view name) const;
  // "null", "true or false", "an integer", "a number", "text", "a list", "an object".
  std::string_view kind() const;

  // OLPC canonical JSON, over which TUF signs: no white space, names in the order of their bytes,
  // of all characters only '"' and '\' escaped. Errors: kUnsupported for a double.
  Result<std::string> canonical() const;
  // For people: `indent` spaces a level, a line's end after it. Doubles keep all their digits.
  std::string pretty(int indent = 2) const;
  // On one line without spaces.
  std::string compact() const;

  bool operator==(const Json& other) const { return value_ == other.value_; }

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Members> value_;
};

// An object that is read member by member; errors say "WHERE.NAME: what was expected, what was
// found". Borrows the Json.
class Object {
 public:
  // Errors: kCorrupt when `value` is no object.
  static Result<Object> of(const Json& value, std::string where);

  const std::string& where() const { return where_; }
  const Json::Members& members() const { return *members_; }
  bool has(std::string_view name) const { return members_->find(name) != members_->end(); }
  // All of these: kCorrupt when the member is missing or of another kind.
  Result<const Json*> get(std::string_view name) const;
  Result<std::string> text(std::string_view name, std::size_t max_bytes = 4096) const;
  Result<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max) const;
  Result<double> number(std::string_view name) const;  // an integer counts
  Result<bool> boolean(std::string_view name) const;
  Result<Object> object(std::string_view name) const;
  Result<const Json::Array*> array(std::string_view name, std::size_t max_count) const;
  Result<std::vector<std::string>> texts(std::string_view name, std::size_t max_count,
                                         std::size_t max_bytes = 4096) const;
  // Errors: kCorrupt for a member that is not among `names`, with the nearest of them.
  Status only(std::initializer_list<std::string_view> names) const;
  // The members that are not among `names`.
  Json::Members except(std::initializer_list<std::string_view> names) const;
  std::string place(std::string_view name) const { return where_ + "." + std::string(name); }

 private:
  Object(const Json::Members* members, std::string where)
      : members_(members), where_(std::move(where)) {}
  const Json::Members* members_;
  std::string where_;
};

}  // namespace polder::trust
