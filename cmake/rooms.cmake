# The rooms, bottom up. DEPS are the rooms that src/layers.txt allows and the room needs.
find_package(fmt REQUIRED)

polder_room(base LIBS fmt::fmt)
polder_room(platform DEPS base SKIP /platform/net/)
# The adapter of the standard library's `new`.
set_source_files_properties(src/platform/memory.cpp PROPERTIES COMPILE_OPTIONS -fexceptions)
# The network, apart: only programs that use it carry its libraries.
find_library(CRYPTO crypto REQUIRED)
find_library(SSL ssl REQUIRED)
find_library(HTTPLIB cpp-httplib REQUIRED)
polder_room(net FOLDER platform/net DEPS platform base LIBS ${HTTPLIB} ${SSL} ${CRYPTO})
# The adapter of cpp-httplib, which throws; the definitions are those that Debian built it with.
set_source_files_properties(src/platform/net/message.cpp PROPERTIES COMPILE_OPTIONS -fexceptions
  COMPILE_DEFINITIONS
  "CPPHTTPLIB_OPENSSL_SUPPORT;CPPHTTPLIB_ZLIB_SUPPORT;CPPHTTPLIB_BROTLI_SUPPORT")
polder_room(graph DEPS base)
polder_room(kernel DEPS base)
# Vector code: -O2 of g++ 12 halves its speed, and a * b + c must become one instruction.
target_compile_options(polder_kernel PRIVATE -O3 -ffp-contract=fast)
if(POLDER_SANITIZE)
  # The same loops as x86_v3's, in which undefined behaviour is looked for; here that alone would
  # take a minute and a half.
  set_source_files_properties(src/kernel/x86_v4.cpp PROPERTIES
    COMPILE_OPTIONS -fno-sanitize=undefined)
endif()
include(OpTable)
polder_room(ops DEPS graph kernel base SKIP ${POLDER_OPS_SKIPPED})
target_sources(polder_ops PRIVATE ${PROJECT_BINARY_DIR}/generated/ops_table.cpp)
# Small files with the same headers, each in a namespace of its own: together they compile in a
# third of the time.
set_target_properties(polder_ops PROPERTIES UNITY_BUILD ${POLDER_UNITY} UNITY_BUILD_BATCH_SIZE 10)
if(POLDER_HOST)
  target_sources(polder_ops PRIVATE ${PROJECT_BINARY_DIR}/generated/tools_table.cpp)
elseif(POLDER_TESTS)
  # Tests walk the samples, which are in the host half; what ships does not hold it.
  target_sources(ops_test PRIVATE ${PROJECT_BINARY_DIR}/generated/tools_table.cpp)
endif()
polder_room(runtime DEPS ops graph kernel platform base)
polder_flatbuffer(polder_runtime src/runtime/plan.fbs --gen-object-api)
include(Embed)
find_library(TURBOJPEG turbojpeg REQUIRED)
find_library(SPNG spng REQUIRED)
polder_room(pipeline DEPS runtime kernel platform base LIBS ${TURBOJPEG} ${SPNG})
polder_embed(polder_pipeline src/pipeline/sinks/report.html kReportHtml pipeline_report_html.h)
include(Video)
polder_room(telemetry DEPS platform base)
polder_room(trust DEPS platform base LIBS ${CRYPTO})
# Headers alone: the libraries of tokens and TPMs are loaded when a key is there.
find_path(PKCS11_HEADERS p11-kit/pkcs11.h PATH_SUFFIXES p11-kit-1 REQUIRED)
find_path(TSS2_HEADERS tss2/tss2_esys.h REQUIRED)
target_include_directories(polder_trust SYSTEM PRIVATE ${PKCS11_HEADERS} ${TSS2_HEADERS})
# A phantom of g++ 12, as those in PolderRoom.cmake: destructors of std::variant in Json.
target_compile_options(polder_trust PRIVATE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
polder_room(proto DEPS telemetry base)
polder_flatbuffer(polder_proto src/proto/worker.fbs)
polder_flatbuffer(polder_proto src/proto/output.fbs)
polder_flatbuffer(polder_proto src/proto/report.fbs)
polder_room(agent DEPS proto trust telemetry pipeline runtime platform base)
set(agent_targets polder_agent)
if(POLDER_TESTS)
  list(APPEND agent_targets agent_test)
endif()
foreach(target ${agent_targets})
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # as in trust
endforeach()

if(POLDER_TESTS)
  target_link_libraries(agent_test PRIVATE polder_net)
endif()
# Time does not go there, and polderd is to be small.
foreach(room net telemetry trust proto agent)
  target_compile_options(polder_${room} PRIVATE $<$<CONFIG:Release>:-Os>)
endforeach()
set_source_files_properties(src/trust/chunks.cpp PROPERTIES COMPILE_OPTIONS -O3)

if(POLDER_HOST)
  polder_onnx_schema()
  polder_room(import EXCEPTIONS DEPS ops graph platform base LIBS polder_onnx_proto)
  polder_flatbuffer(polder_import src/import/tflite.fbs --reflect-names)
  polder_room(compile DEPS runtime ops graph kernel platform base)
  polder_room(measure DEPS runtime platform base)
  find_package(SQLite3 REQUIRED)
  find_package(PostgreSQL REQUIRED)
  find_library(DATE_TZ date-tz REQUIRED)
  polder_room(hub DEPS proto trust telemetry platform base SKIP /hub/http/
              LIBS SQLite::SQLite3 PostgreSQL::PostgreSQL ${DATE_TZ} ${CRYPTO})
  # The adapter of the date library, which throws, and the tests that walk beside it; the
  # definitions are those that Debian built it with.
  set_source_files_properties(src/hub/zones.cpp src/hub/rollouts/window_test.cpp PROPERTIES
    COMPILE_OPTIONS -fexceptions
    COMPILE_DEFINITIONS "USE_OS_TZDB=1;ONLY_C_LOCALE=1;HAS_STRING_VIEW=1")
  polder_embed(polder_hub src/hub/openapi.json kOpenapiJson hub_openapi_json.h)
  # The server, apart as the network of devices is; the adapter of Boost, which throws.
  find_package(Boost 1.81 REQUIRED)
  polder_room(hub_http FOLDER hub/http DEPS hub trust platform base
              LIBS Boost::headers ${SSL} ${CRYPTO})
  # Clang 14 has coroutines and does not say so; its function sanitizer cannot be with them.
  set(clang "-D__cpp_impl_coroutine=201902L;-fno-sanitize=function")
  set_source_files_properties(src/hub/http/server.cpp PROPERTIES
    COMPILE_OPTIONS "-fexceptions;$<$<CXX_COMPILER_ID:Clang>:${clang}>")
  add_executable(polder-hub src/apps/polder_hub.cpp src/apps/polder_hub_home.cpp
                 src/apps/polder_hub_upkeep.cpp)
  target_link_libraries(polder-hub PRIVATE polder_hub_http)
  target_compile_options(polder-hub PRIVATE -fno-exceptions)
  polder_embed_console(polder-hub)
  set(hub_targets polder_hub polder_hub_http polder-hub)
  if(POLDER_TESTS)
    list(APPEND hub_targets hub_test)
  endif()
  foreach(target ${hub_targets})
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # as in trust
  endforeach()
  # nlohmann-json throws; what is written here comes from us, so nothing is there to catch.
  polder_room(sdk EXCEPTIONS DEPS compile import runtime ops graph platform base)
  polder_room(release EXCEPTIONS DEPS sdk trust pipeline measure import runtime graph kernel
              platform base)
  set(release_targets polder_release)
  if(POLDER_TESTS)
    list(APPEND release_targets release_test)
  endif()
  foreach(target ${release_targets})
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # as in trust
  endforeach()
  polder_room(cli EXCEPTIONS DEPS release agent sdk trust pipeline measure compile import runtime
              ops graph kernel net platform base)
  add_executable(polder src/apps/polder.cpp)
  target_link_libraries(polder PRIVATE polder_cli)
  foreach(language cpp c)
    add_executable(classify_${language} examples/embed/classify.${language})
    target_link_libraries(classify_${language} PRIVATE polder_sdk)
    set_target_properties(classify_${language} PROPERTIES LINKER_LANGUAGE CXX)
  endforeach()
else()
  polder_room(sdk DEPS runtime ops graph platform base SKIP /summary)
endif()

# What a device runs: the agent, and its workers, which are the same program.
add_executable(polderd src/apps/polderd.cpp src/apps/polderd_commands.cpp src/apps/polderd_home.cpp
               src/apps/polderd_link.cpp src/apps/polderd_telemetry.cpp)
target_link_libraries(polderd PRIVATE polder_agent polder_net polder_sdk)
target_compile_options(polderd PRIVATE -fno-exceptions)
# The time of the last commit, or what a packager says: no clock before it is believed.
execute_process(COMMAND git log -1 --format=%ct WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                OUTPUT_VARIABLE built_s OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT built_s MATCHES "^[0-9]+$")
  set(built_s $ENV{SOURCE_DATE_EPOCH})
endif()
if(NOT built_s MATCHES "^[0-9]+$")
  set(built_s 0)
endif()
set_source_files_properties(src/apps/polderd_home.cpp
                            PROPERTIES COMPILE_DEFINITIONS POLDER_BUILT_S=${built_s})

if(POLDER_HOST AND POLDER_TESTS)
  # A test tool, not installed: docs/guide/tuf-conformance.md.
  add_executable(polder-tuf-conformance src/apps/tuf_conformance.cpp)
  target_link_libraries(polder-tuf-conformance PRIVATE polder_trust polder_net)
endif()

if(POLDER_TESTS)
  # A fleet of agents on a virtual clock; --agents and --days make it larger.
  add_executable(fleet_sim tests/sim/fleet_sim.cpp)
  target_link_libraries(fleet_sim PRIVATE polder_agent)
  target_compile_options(fleet_sim PRIVATE -fno-exceptions)
  add_test(NAME fleet_sim COMMAND fleet_sim)
endif()
if(POLDER_HOST AND POLDER_TESTS)
  # The same tests on a server of their own: all but those that have no database, or are of SQLite.
  set(elsewhere Canary.* Console.* Database.* Gate.* Limits.* Measures.* Openapi.* Reason.*
      Rollout.* RolloutPlans.* Share.* UploadsTest.* Window.* Zones.*)
  string(JOIN : elsewhere ${elsewhere})
  add_test(NAME hub_databases
           COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/hub/postgres_test.py
                   $<TARGET_FILE:hub_test>
                   --gtest_filter=-${elsewhere})
  # How often the comparison of canaries errs; --runs makes it surer.
  add_executable(canary_sim tests/sim/canary_sim.cpp)
  target_link_libraries(canary_sim PRIVATE polder_hub)
  add_test(NAME canary_sim COMMAND canary_sim --runs 20)
  # Fleets that get releases good and bad from the hub's own code; scripts/faults fleet: at length.
  add_executable(rollout_sim tests/sim/rollout_sim.cpp)
  target_link_libraries(rollout_sim PRIVATE polder_hub polder_agent)
  add_test(NAME rollout_sim COMMAND rollout_sim --scenario bad --devices 200 --history 10)
  set(small --devices 33 --look-s 1800 --report-s 1800)
  add_test(NAME rollout_sim_good COMMAND rollout_sim --scenario good --runs 3 ${small})
  add_test(NAME rollout_sim_regression COMMAND rollout_sim --scenario regression --runs 2 ${small})
  add_test(NAME rollout_sim_null COMMAND rollout_sim --scenario null --runs 4 ${small})
  add_test(NAME rollout_sim_halting COMMAND rollout_sim --scenario halting --runs 3 ${small})
  set_tests_properties(rollout_sim rollout_sim_good rollout_sim_regression rollout_sim_null
                       rollout_sim_halting PROPERTIES LABELS faults)
endif()

if(POLDER_TESTS)
  target_sources(sdk_test PRIVATE src/sdk/polder_c_test.c)
  set_source_files_properties(src/sdk/polder_c_test.c PROPERTIES
    COMPILE_OPTIONS "-std=c11;-Wall;-Wextra;-pedantic-errors")
endif()

if(POLDER_TESTS)
  add_executable(agent_worker tests/agent/worker_program.cpp)
  target_link_libraries(agent_worker PRIVATE polder_agent)
  target_compile_options(agent_worker PRIVATE -fno-exceptions)
  target_compile_definitions(agent_test PRIVATE POLDER_WORKER="$<TARGET_FILE:agent_worker>")
  add_dependencies(agent_test agent_worker)
endif()
