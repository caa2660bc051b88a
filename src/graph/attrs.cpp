// Look-up and checked reading of attributes.
#include "graph/attrs.h"

#include <algorithm>

#include "base/fail.h"

namespace polder {

void Attrs::set(std::string_view name, AttrValue value) {
  for (auto& [key, old] : entries_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::string(name), std::move(value));
}

void Attrs::erase(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.first == name; });
}

bool Attrs::rename(std::string_view from, std::string_view to) {
  for (auto& [key, value] : entries_) {
    if (key == from) {
      key = to;
      return true;
    }
  }
  return false;
}

const AttrValue* Attrs::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

namespace {
template <class T>
const T* get(const Attrs& attrs, std::string_view name) {
  const AttrValue* value = attrs.find(name);
  return value ? std::get_if<T>(value) : nullptr;
}
}  // namespace

std::int64_t Attrs::integer(std::string_view name, std::int64_t fallback) const {
  const auto* value = get<std::int64_t>(*this, name);
  return value ? *value : fallback;
}

double Attrs::real(std::string_view name, double fallback) const {
  const auto* value = get<double>(*this, name);
  return value ? *value : fallback;
}

std::string Attrs::text(std::string_view name, std::string_view fallback) const {
  const auto* value = get<std::string>(*this, name);
  return value ? *value : std::string(fallback);
}

std::vector<std::int64_t> Attrs::integers(std::string_view name) const {
  const auto* value = get<std::vector<std::int64_t>>(*this, name);
  return value ? *value : std::vector<std::int64_t>{};
}

std::vector<double> Attrs::reals(std::string_view name) const {
  const auto* value = get<std::vector<double>>(*this, name);
  return value ? *value : std::vector<double>{};
}

const AttrValue* AttrReader::take(std::string_view name) {
  const auto entries = attrs_.all();
  for (std::size_t i = 0; i < entries.size() && i < 64; ++i) {
    if (entries[i].first == name) {
      read_ |= std::uint64_t(1) << i;
      return &entries[i].second;
    }
  }
  return nullptr;
}

void AttrReader::reject(std::string message) {
  if (status_.ok()) status_ = Error{Code::kInvalid, std::move(message)};
}

std::int64_t AttrReader::integer(std::string_view name, std::int64_t fallback, std::int64_t min,
                                 std::int64_t max) {
  const AttrValue* value = take(name);
  if (!value) return fallback;
  const auto* number = std::get_if<std::int64_t>(value);
  if (!number) {
    reject(fmt::format("attribute '{}': an integer expected", name));
    return fallback;
  }
  if (*number < min || *number > max) {
    reject(fmt::format("attribute '{}': {} is outside {}..{}", name, *number, min, max));
    return fallback;
  }
  return *number;
}

double AttrReader::real(std::string_view name, double fallback, double min, double max) {
  const AttrValue* value = take(name);
  if (!value) return fallback;
  double number = fallback;
  if (const auto* real = std::get_if<double>(value)) number = *real;
  else if (const auto* integer = std::get_if<std::int64_t>(value)) number = double(*integer);
  else reject(fmt::format("attribute '{}': a number expected", name));
  if (!(number >= min && number <= max)) {
    reject(fmt::format("attribute '{}': {} is outside {}..{}", name, number, min, max));
    return fallback;
  }
  return number;
}

int AttrReader::choice(std::string_view name, std::span<const std::string_view> names,
                       int fallback) {
  const AttrValue* value = take(name);
  if (!value) return fallback;
  const auto* text = std::get_if<std::string>(value);
  if (!text) {
    reject(fmt::format("attribute '{}': a text expected", name));
    return fallback;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == *text) return int(i);
  }
  reject(fmt::format("attribute '{}': '{}' is none of {}", name, *text,
                     fmt::join(names.begin(), names.end(), ", ")));
  return fallback;
}

std::string AttrReader::text(std::string_view name, std::string_view fallback) {
  const AttrValue* value = take(name);
  if (!value) return std::string(fallback);
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  reject(fmt::format("attribute '{}': a text expected", name));
  return std::string(fallback);
}

int AttrReader::integers(std::string_view name, std::span<std::int64_t> out, int fallback_count,
                         std::int64_t min, std::int64_t max) {
  const AttrValue* value = take(name);
  if (!value) return fallback_count;
  const auto* list = std::get_if<std::vector<std::int64_t>>(value);
  // An empty list of reals and of integers look alike in some formats.
  if (const auto* reals = std::get_if<std::vector<double>>(value); reals && reals->empty())
    return 0;
  if (!list || list->size() > out.size()) {
    reject(fmt::format("attribute '{}': at most {} integers expected", name, out.size()));
    return fallback_count;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    if ((*list)[i] < min || (*list)[i] > max) {
      reject(fmt::format("attribute '{}': {} is outside {}..{}", name, (*list)[i], min, max));
      return fallback_count;
    }
    out[i] = (*list)[i];
  }
  return int(list->size());
}

int AttrReader::reals(std::string_view name, std::span<double> out, int fallback_count) {
  const AttrValue* value = take(name);
  if (!value) return fallback_count;
  const auto* list = std::get_if<std::vector<double>>(value);
  if (!list || list->size() > out.size()) {
    reject(fmt::format("attribute '{}': at most {} numbers expected", name, out.size()));
    return fallback_count;
  }
  std::ranges::copy(*list, out.begin());
  return int(list->size());
}

Status AttrReader::finish() {
  const auto entries = attrs_.all();
  if (entries.size() > 64) reject(fmt::format("{} attributes; at most 64", entries.size()));
  for (std::size_t i = 0; i < entries.size() && i < 64; ++i) {
    if (!(read_ >> i & 1)) reject(fmt::format("unknown attribute '{}'", entries[i].first));
  }
  return std::move(status_);
}

}  // namespace polder
