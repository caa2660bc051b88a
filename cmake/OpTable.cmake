# Generates the operator tables of src/ops: every *.cpp there that defines `const OpDef def` is an
# operator, in the namespace that bears its file's name. The tables are sorted by operator name.
# POLDER_OPS=conv,relu keeps only these files.
file(GLOB op_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/ops/*.cpp)
list(FILTER op_files EXCLUDE REGEX "_test\\.cpp$")
set(op_entries "")
set(POLDER_OPS_SKIPPED "")
string(REPLACE "," ";" wanted_ops "${POLDER_OPS}")
foreach(file ${op_files})
  file(STRINGS ${file} marker REGEX "^extern const OpDef def = ")
  if(NOT marker)
    continue()
  endif()
  get_filename_component(stem ${file} NAME_WE)
  if(wanted_ops AND NOT stem IN_LIST wanted_ops)
    list(APPEND POLDER_OPS_SKIPPED "/ops/${stem}\\.cpp$")
    continue()
  endif()
  file(STRINGS ${file} name_line REGEX "^    \\.name = \"")
  list(GET name_line 0 name_line)
  string(REGEX REPLACE ".*\\.name = \"([A-Za-z0-9_]+)\".*" "\\1" op_name "${name_line}")
  list(APPEND op_entries "${op_name}!${stem}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endforeach()
list(SORT op_entries COMPARE STRING CASE SENSITIVE)
set(declarations "")
set(tool_declarations "")
set(defs "")
set(tools "")
foreach(entry ${op_entries})
  string(REGEX REPLACE ".*!" "" stem "${entry}")
  string(APPEND declarations "namespace ${stem} { extern const OpDef def; }\n")
  string(APPEND tool_declarations "namespace ${stem} { extern const OpTools tools; }\n")
  string(APPEND defs "    &${stem}::def,\n")
  string(APPEND tools "    &${stem}::tools,\n")
endforeach()
file(CONFIGURE OUTPUT generated/ops_table.cpp CONTENT
"#include \"ops/op.h\"\n\nnamespace polder::ops {\n\n${declarations}
namespace {\nconstexpr const OpDef* kOps[] = {\n${defs}};\n}\n
std::span<const OpDef* const> all_ops() { return kOps; }\n\n}  // namespace polder::ops\n")
file(CONFIGURE OUTPUT generated/tools_table.cpp CONTENT
"#include \"ops/tools.h\"\n\nnamespace polder::ops {\n\n${tool_declarations}
namespace {\nconstexpr const OpTools* kTools[] = {\n${tools}};\n}\n
std::span<const OpTools* const> all_tools() { return kTools; }\n\n}  // namespace polder::ops\n")
