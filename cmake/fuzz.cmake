# Each fuzz/NAME_fuzz.cpp is a fuzz target with its corpus in fuzz/corpus/NAME; NAME_mutator.cpp, if
# there is one, changes inputs for it. Presets fuzz and asan make it a libFuzzer program, NAME_fuzz;
# every host build makes NAME_replay, which runs the corpus alone: what was once found stays mended
# in every test run and under every sanitizer. Seeds that other code can make are not in the
# corpus: fuzz_seeds writes them, before a replay and before scripts/fuzz.
if(NOT POLDER_HOST OR NOT (POLDER_FUZZ OR POLDER_TESTS))
  return()
endif()
get_property(rooms GLOBAL PROPERTY POLDER_ROOMS)
add_library(polder_fuzz STATIC ${PROJECT_SOURCE_DIR}/fuzz/exercise.cpp
            ${PROJECT_SOURCE_DIR}/fuzz/hub_world.cpp ${PROJECT_SOURCE_DIR}/fuzz/trust_seeds.cpp)
target_link_libraries(polder_fuzz PUBLIC ${rooms})
add_executable(fuzz_seeds ${PROJECT_SOURCE_DIR}/fuzz/seeds.cpp
               ${PROJECT_SOURCE_DIR}/fuzz/hub_seeds.cpp
               ${PROJECT_SOURCE_DIR}/fuzz/tflite_seeds.cpp
               ${PROJECT_SOURCE_DIR}/fuzz/worker_seeds.cpp)
target_link_libraries(fuzz_seeds PRIVATE polder_fuzz)
set(seeds ${PROJECT_BINARY_DIR}/seeds)
if(POLDER_TESTS)
  add_test(NAME fuzz_seeds COMMAND fuzz_seeds ${PROJECT_SOURCE_DIR}/fuzz/corpus ${seeds})
  set_tests_properties(fuzz_seeds PROPERTIES FIXTURES_SETUP fuzz_seeds)
endif()

file(GLOB targets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*_fuzz.cpp)
foreach(source ${targets})
  get_filename_component(stem ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${stem})
  if(POLDER_FUZZ)
    file(GLOB mutator CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/${name}_mutator.cpp)
    add_executable(${stem} ${source} ${mutator})
    target_link_libraries(${stem} PRIVATE polder_fuzz -fsanitize=fuzzer)
  endif()
  if(POLDER_TESTS)
    add_executable(${name}_replay ${source} ${PROJECT_SOURCE_DIR}/fuzz/replay.cpp)
    target_link_libraries(${name}_replay PRIVATE polder_fuzz)
    add_test(NAME ${name}_replay COMMAND ${name}_replay ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}
                                         ${seeds}/${name})
    set_tests_properties(${name}_replay PROPERTIES FIXTURES_REQUIRED fuzz_seeds)
  endif()
endforeach()
