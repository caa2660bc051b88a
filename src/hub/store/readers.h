// Connections that only read, for many at once: one that is free, or a new one.
//
//   TRY_VALUE(const Rows rows, readers.query("SELECT id FROM device"));
#pragma once

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
  std::unique_ptr<Database> take();  // nullptr: none is idle

  const std::string where_;
  const Open open_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;
};

}  // namespace polder::hub
