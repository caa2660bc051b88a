// The neutral attribute record of a node, and the reader by which an operator parses it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace polder {

using AttrValue =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;

// Attributes by name, in the order they were set.
class Attrs {
 public:
  using Entry = std::pair<std::string, AttrValue>;
  Attrs() = default;
  Attrs(std::initializer_list<Entry> entries) : entries_(entries) {}

  void reserve(std::size_t count) { entries_.reserve(count); }
  // Sets or replaces.
  void set(std::string_view name, AttrValue value);
  void erase(std::string_view name);
  // False when there is no `from`.
  bool rename(std::string_view from, std::string_view to);
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // The value, or `fallback` when absent or of another kind.
  std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  double real(std::string_view name, double fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<double> reals(std::string_view name) const;
  std::span<const Entry> all() const { return entries_; }
  bool operator==(const Attrs&) const = default;

 private:
  std::vector<Entry> entries_;
};

// Reads attributes with their limits and remembers the first error, so that a parser reads
// straight through.
class AttrReader {
 public:
  static constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  static constexpr double kInf = std::numeric_limits<double>::infinity();

  explicit AttrReader(const Attrs& attrs) : attrs_(attrs) {}

  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t min = kMin,
                       std::int64_t max = kMax);
  bool flag(std::string_view name, bool fallback) { return integer(name, fallback, 0, 1) != 0; }
  double real(std::string_view name, double fallback, double min = -kInf, double max = kInf);
  // One of `names`; returns its index.
  int choice(std::string_view name, std::span<const std::string_view> names, int fallback);
  std::string text(std::string_view name, std::string_view fallback);
  // Fills the front of `out` and returns how many were given; `fallback_count` when absent.
  int integers(std::string_view name, std::span<std::int64_t> out, int fallback_count,
               std::int64_t min = kMin, std::int64_t max = kMax);
  int reals(std::string_view name, std::span<double> out, int fallback_count);
  bool has(std::string_view name) const { return attrs_.has(name); }
  // An error of the operator's own.
  void reject(std::string message);
  // The first error; an attribute that nothing read is one too.
  Status finish();

 private:
  const AttrValue* take(std::string_view name);
  const Attrs& attrs_;
  std::uint64_t read_ = 0;
  Status status_;
};

}  // namespace polder
