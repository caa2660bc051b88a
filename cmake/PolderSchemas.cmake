# polder_flatbuffer(TARGET SCHEMA): generates <schema>_generated.h under generated/ for TARGET.
# Uses flatc and the headers directly: FlatBuffers' CMake configuration is not found when crossing.
find_program(FLATC flatc)
if(NOT FLATC)
  message(FATAL_ERROR "flatc is missing: run scripts/setup (package flatbuffers-compiler)")
endif()

function(polder_flatbuffer target schema)
  get_filename_component(stem ${schema} NAME_WE)
  set(header ${PROJECT_BINARY_DIR}/generated/${stem}_generated.h)
  add_custom_command(OUTPUT ${header}
    COMMAND ${FLATC} --cpp --scoped-enums --cpp-std c++17 ${ARGN} -o ${PROJECT_BINARY_DIR}/generated
            ${PROJECT_SOURCE_DIR}/${schema}
    DEPENDS ${PROJECT_SOURCE_DIR}/${schema} COMMENT "Generating ${stem}_generated.h" VERBATIM)
  add_custom_target(${stem}_schema DEPENDS ${header})
  add_dependencies(${target} ${stem}_schema)
endfunction()
