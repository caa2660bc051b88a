// The two kinds of database. Inside this folder.
#pragma once

#include "hub/store/database.h"

namespace polder::hub {

enum class Access { kRead, kWrite };
Result<std::unique_ptr<Database>> open_sqlite(std::string_view path, Access access);
Result<std::unique_ptr<Database>> open_postgres(std::string_view url);

}  // namespace polder::hub
