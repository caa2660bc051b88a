// Counts by name, of which there are only so many.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace polder::telemetry {

class Counters {
 public:
  static constexpr std::size_t kMaxNames = 256;
  static constexpr std::size_t kMaxNameBytes = 64;
  static constexpr std::string_view kOther = "(other)";

  // A name that is too long is cut; what comes once there are kMaxNames is counted as kOther.
  void add(std::string_view name, std::uint64_t by = 1) {
    name = name.substr(0, kMaxNameBytes);
    auto found = counts_.find(name);
    if (found == counts_.end() && counts_.size() >= kMaxNames - 1) name = kOther;
    if (found == counts_.end()) found = counts_.try_emplace(std::string(name)).first;
    found->second += by;
  }
  void merge(const Counters& other) {
    for (const auto& [name, count] : other.counts_) add(name, count);
  }
  void clear() { counts_.clear(); }
  const std::map<std::string, std::uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace polder::telemetry
