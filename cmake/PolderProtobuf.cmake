# polder_onnx_schema(): library polder_onnx_proto, the lite C++ classes of Debian's onnx.proto.
# Generated code is compiled without our warnings.
function(polder_onnx_schema)
  find_program(PROTOC protoc)
  find_path(ONNX_PROTO_FOLDER onnx/onnx.proto)
  find_library(PROTOBUF_LITE protobuf-lite)
  if(NOT PROTOC OR NOT ONNX_PROTO_FOLDER OR NOT PROTOBUF_LITE)
    message(FATAL_ERROR "protoc, onnx.proto or protobuf-lite is missing: run scripts/setup "
                        "(packages protobuf-compiler libprotobuf-dev libonnx-dev)")
  endif()
  # In a folder of its own: Debian's headers have an onnx/onnx.pb.h too, for the full library.
  set(out ${PROJECT_BINARY_DIR}/generated/proto)
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${out}/onnx.pb.cc ${out}/onnx.pb.h
    COMMAND ${PROTOC} --cpp_out=${out} -I ${ONNX_PROTO_FOLDER}/onnx
            ${ONNX_PROTO_FOLDER}/onnx/onnx.proto
    DEPENDS ${ONNX_PROTO_FOLDER}/onnx/onnx.proto COMMENT "Generating onnx.pb.h" VERBATIM)
  add_library(polder_onnx_proto STATIC ${out}/onnx.pb.cc ${out}/onnx.pb.h)
  target_include_directories(polder_onnx_proto SYSTEM PUBLIC ${out})
  target_link_libraries(polder_onnx_proto PUBLIC ${PROTOBUF_LITE})
  target_compile_options(polder_onnx_proto PRIVATE -w)
endfunction()
