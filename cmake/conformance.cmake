# onnx_conformance: the test cases that come with ONNX, run by Polder. The test runs all of them.
if(NOT POLDER_HOST OR NOT POLDER_TESTS OR CMAKE_CROSSCOMPILING)
  return()
endif()
set(folder ${PROJECT_SOURCE_DIR}/tests/conformance)
add_executable(onnx_conformance ${folder}/onnx_conformance.cpp ${folder}/onnx_case.cpp
               ${folder}/onnx_report.cpp)
target_link_libraries(onnx_conformance PRIVATE polder_compile polder_import polder_platform)
add_test(NAME onnx_conformance
         COMMAND onnx_conformance --require 450 --must-pass ${folder}/must_pass.txt
                 --markdown ${PROJECT_BINARY_DIR}/onnx-operators.md)
set_tests_properties(onnx_conformance PROPERTIES SKIP_RETURN_CODE 77 FIXTURES_SETUP onnx_page)
# With the kernels of the machines that have no AVX-512, too.
add_test(NAME onnx_conformance_v3
         COMMAND onnx_conformance --target x86-64-v3 --require 450
                 --must-pass ${folder}/must_pass.txt)
set_tests_properties(onnx_conformance_v3 PROPERTIES SKIP_RETURN_CODE 77)
# The page in docs is what the cases say today.
if(EXISTS /usr/share/libonnx-testdata/data)
  add_test(NAME onnx_page
           COMMAND ${CMAKE_COMMAND} -E compare_files ${PROJECT_BINARY_DIR}/onnx-operators.md
                   ${PROJECT_SOURCE_DIR}/docs/onnx-operators.md)
  set_tests_properties(onnx_page PROPERTIES FIXTURES_REQUIRED onnx_page)
endif()
