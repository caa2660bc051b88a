# Tests of the polder command as a whole, under sanitizers too.
if(NOT POLDER_HOST OR NOT POLDER_TESTS OR CMAKE_CROSSCOMPILING)
  return()
endif()

# What it must refuse; the seeds of the fuzz targets are its small models.
add_test(NAME bad_input COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/bad_input_test.py
         $<TARGET_FILE:polder> ${PROJECT_BINARY_DIR}/seeds ${PROJECT_SOURCE_DIR}/models)
set_tests_properties(bad_input PROPERTIES FIXTURES_REQUIRED fuzz_seeds)

# Wrong values of options.
add_test(NAME usage COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/usage_test.py
         $<TARGET_FILE:polder>)

# What it prints of a model.
add_test(NAME inspect COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/inspect_test.py
         $<TARGET_FILE:polder>)

# What it takes as inputs of a model.
add_test(NAME run COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/run_test.py
         $<TARGET_FILE:polder>)

add_test(NAME examples COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/examples_test.py
         $<TARGET_FILE:polder> ${PROJECT_SOURCE_DIR}/models)

# Private keys in files, on a token, in a TPM: real ones, which the test starts.
add_test(NAME keys COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/keys_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:trust_test>)

# A repository of releases, from its first key to a copy that is not whole.
foreach(name repo repo_mistakes)
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/${name}_test.py
           $<TARGET_FILE:polder>)
endforeach()

# An audit log and what is done to it; files sealed for devices; releases.
foreach(name audit seal)
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/${name}_test.py
           $<TARGET_FILE:polder>)
endforeach()
add_test(NAME release_program COMMAND /usr/bin/python3
         ${PROJECT_SOURCE_DIR}/tests/e2e/release_test.py $<TARGET_FILE:polder>)

# A device and its releases.
add_test(NAME agent_program COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/agent_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
# What it answers to those who ask, the log that it keeps, keys with a PIN, its configuration read
# anew, new models beside old ones.
foreach(name agent_check device_audit device_pin reload shadow)
  add_test(NAME ${name} COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/${name}_test.py
           $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
endforeach()
# Sealed ones, of which it fetches what it has not.
add_test(NAME sealed_reuse
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/sealed_reuse_test.py
                 $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
add_test(NAME full_disk COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/full_disk_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
set_tests_properties(full_disk PROPERTIES SKIP_RETURN_CODE 77)
if(NOT POLDER_SANITIZE)
  # Size and memory as it ships: sanitizers have memory of their own.
  add_test(NAME content_keys
           COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/content_keys_test.py
                   $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
  add_test(NAME limits COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/limits_test.py
           $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
  set_tests_properties(limits PROPERTIES LABELS slow RUN_SERIAL ON)
  # The leak sanitizer does not work in a program that is being tried in a process of its own.
  add_test(NAME runtime_update
           COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/runtime_update_test.py
                   $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
endif()
# The hub, and a device that enrols.
add_test(NAME hub_program COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_test.py
         $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>)
add_test(NAME hub_postgres COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/hub/postgres_test.py
         /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_postgres_test.py
         $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>)
# A device's link to it.
add_test(NAME link_program COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/link_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:polderd> $<TARGET_FILE:polder-hub>)
set_tests_properties(link_program PROPERTIES LABELS slow)
add_test(NAME hub_rollouts
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_rollouts_test.py
                 $<TARGET_FILE:polder-hub> $<TARGET_FILE:polder>)
add_test(NAME hub_commands
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_commands_test.py
                 $<TARGET_FILE:polder-hub> $<TARGET_FILE:polder>)
add_test(NAME hub_repository
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_repository_test.py
                 $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>)
# When things go wrong with it.
add_test(NAME hub_refusal
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_refusal_test.py
                 $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>)
add_test(NAME hub_drill COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_drill_test.py
         $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>)
set_tests_properties(hub_drill PROPERTIES LABELS slow)
# What leaves it.
foreach(name telemetry telemetry_drift telemetry_packets telemetry_pictures)
  add_test(NAME ${name}_program COMMAND /usr/bin/python3
           ${PROJECT_SOURCE_DIR}/tests/e2e/${name}_test.py
           $<TARGET_FILE:polder> $<TARGET_FILE:polderd>)
  set_tests_properties(${name}_program PROPERTIES LABELS slow SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME usb_stick_update
         COMMAND ${CMAKE_COMMAND} -E env POLDER=$<TARGET_FILE:polder> POLDERD=$<TARGET_FILE:polderd>
                 ${PROJECT_SOURCE_DIR}/examples/usb-stick-update/run
                 ${PROJECT_BINARY_DIR}/usb-stick-update)
# What scripts/demo shows, of build/release.
if(TARGET polder_video_libav AND CMAKE_BINARY_DIR STREQUAL "${PROJECT_SOURCE_DIR}/build/release")
  add_test(NAME fleet_example COMMAND /usr/bin/python3
           ${PROJECT_SOURCE_DIR}/tests/e2e/fleet_example_test.py
           ${PROJECT_SOURCE_DIR}/examples/fleet/run ${PROJECT_BINARY_DIR}/fleet)
  set_tests_properties(fleet_example PROPERTIES LABELS slow TIMEOUT 1800 SKIP_RETURN_CODE 77)
endif()
add_test(NAME polderd_page COMMAND sh -c "\"$1\" reference | diff \"$2\" -" page_test
         $<TARGET_FILE:polderd> ${PROJECT_SOURCE_DIR}/docs/guide/polderd-toml.md)

# What is installed serves a program of a user; sanitizers would have to be that program's too.
if(NOT POLDER_SANITIZE AND TARGET polder_video_libav)
  add_test(NAME install COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/install_test.py
           ${PROJECT_BINARY_DIR})
  # polderd as a service of a real systemd.
  add_test(NAME systemd COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/systemd_test.py
           $<TARGET_FILE:polder> $<TARGET_FILE:polderd> ${PROJECT_BINARY_DIR})
  set_tests_properties(systemd PROPERTIES SKIP_RETURN_CODE 77)
endif()

# page_test(NAME PAGE ARGUMENT...): PAGE is what polder prints when given the arguments.
function(page_test name page)
  add_test(NAME ${name} COMMAND sh -c "page=$1; shift; \"$@\" | diff \"$page\" -" page_test
           ${PROJECT_SOURCE_DIR}/${page} $<TARGET_FILE:polder> ${ARGN})
endfunction()
page_test(tflite_operators_page docs/tflite-operators.md operators)
page_test(pipeline_page docs/guide/pipeline.md play --reference)
