# Each fuzz/NAME_fuzz.cpp is a fuzz target with its corpus in fuzz/corpus/NAME. Presets fuzz and
# asan make it a libFuzzer program, NAME_fuzz; every host build makes NAME_replay, which runs the
# corpus alone: what was once found stays mended in every test run and under every sanitizer.
if(NOT POLDER_HOST)
  return()
endif()
get_property(rooms GLOBAL PROPERTY POLDER_ROOMS)
file(GLOB targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/*_fuzz.cpp)
foreach(source ${targets})
  get_filename_component(stem ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${stem})
  if(POLDER_FUZZ)
    add_executable(${stem} ${source})
    target_link_libraries(${stem} PRIVATE ${rooms} -fsanitize=fuzzer)
  endif()
  if(POLDER_TESTS)
    add_executable(${name}_replay ${source} ${CMAKE_SOURCE_DIR}/fuzz/replay.cpp)
    target_link_libraries(${name}_replay PRIVATE ${rooms})
    add_test(NAME ${name}_replay
             COMMAND ${name}_replay ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  endif()
endforeach()
