# polder_embed(TARGET FILE CONSTANT HEADER): generates HEADER for TARGET with the text of FILE as
# `inline constexpr std::string_view CONSTANT`. The text is written anew when FILE changes.
function(polder_embed target file constant header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${file})
  file(READ ${PROJECT_SOURCE_DIR}/${file} text)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${header} @ONLY NEWLINE_STYLE UNIX CONTENT
"// Generated from ${file}.
#pragma once
#include <string_view>
inline constexpr std::string_view ${constant} = R\"embedded(@text@)embedded\";
")
endfunction()

# polder_embed_console(TARGET): generates for TARGET console_files() of hub/console/console.h, with
# the files of the folder POLDER_CONSOLE as they are; none where it is not there.
set(POLDER_CONSOLE ${PROJECT_SOURCE_DIR}/build/console CACHE PATH
    "The web console that polder-hub carries, as scripts/console makes it; where it is not, none")
function(polder_embed_console target)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${POLDER_CONSOLE} ${POLDER_CONSOLE}/*)
  list(SORT files)
  set(bytes "")
  set(table "")
  set(number 0)
  foreach(file ${files})
    string(APPEND bytes "CARRY(${number}, \"${POLDER_CONSOLE}/${file}\")\n")
    string(APPEND table "    {\"/${file}\", {file_${number}, end_${number}}},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  if(files)
    set(table "const polder::hub::ConsoleFile kFiles[] = {\n${table}};")
  else()
    set(table "constexpr std::span<const polder::hub::ConsoleFile> kFiles;")
    message(STATUS "Polder: polder-hub is built without its web console; scripts/console makes it")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/hub_console_files.cpp.in
                 ${PROJECT_BINARY_DIR}/generated/hub_console_files.cpp @ONLY)
  list(TRANSFORM files PREPEND ${POLDER_CONSOLE}/)
  set_source_files_properties(${PROJECT_BINARY_DIR}/generated/hub_console_files.cpp
                              PROPERTIES OBJECT_DEPENDS "${files}")
  target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated/hub_console_files.cpp)
endfunction()
