// How many requests were answered, for whom and how, since the hub began to serve.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace polder::hub {

// By what the route asks for: that it was refused changes nothing of it.
enum class Asker : std::uint8_t { kAnyone, kDevice, kPerson };
inline constexpr std::size_t kAskers = 3;
std::string_view asker_name(Asker asker);  // "device"

// Thread-safe.
class Traffic {
 public:
  // `status`: 100 to 599; `took_us`: from when its headers had come to its answer.
  void add(Asker asker, int status, std::int64_t took_us);

  struct Count {
    Asker asker = Asker::kAnyone;
    int hundreds = 0;  // 4: of all statuses from 400 to 499
    std::uint64_t requests = 0;
  };
  // All of them, also those of which there was none.
  std::vector<Count> counts() const;
  double seconds(Asker asker) const;  // that its answers took, all together

 private:
  static constexpr int kHundreds = 5;
  std::array<std::array<std::atomic<std::uint64_t>, kHundreds>, kAskers> requests_{};
  std::array<std::atomic<std::int64_t>, kAskers> took_us_{};
};

}  // namespace polder::hub
