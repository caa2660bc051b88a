// Connections that only read, for many at once: one that is free, or a new one; of eight that are
// in use the next that is given back.
//
//   TRY_VALUE(const Rows rows, readers.query("SELECT id FROM device"));
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/store/database.h"

namespace polder::hub {

// Thread-safe.
class Readers {
 public:
  using Open = std::function<Result<std::unique_ptr<Database>>(std::string_view where)>;
  // As open_database() takes it, which a test may replace.
  explicit Readers(std::string where, Open open = open_database)
      : where_(std::move(where)), open_(std::move(open)) {}
  // What is committed; asked again on a new connection where the one that was kept is lost. Errors:
  // those of Database, and of opening it.
  Result<Rows> query(std::string_view sql, const Values& values = {});

 private:
  std::unique_ptr<Database> take();               // nullptr: a new one may be made
  void give_back(std::unique_ptr<Database> one);  // nullptr: that is no more

  const std::string where_;
  const Open open_;
  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Database>> idle_;
  std::size_t open_count_ = 0;  // idle, or in use
};

}  // namespace polder::hub
