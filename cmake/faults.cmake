# Tests of faults: samples of what scripts/faults does whole.
if(NOT POLDER_HOST OR NOT POLDER_TESTS OR CMAKE_CROSSCOMPILING OR POLDER_SANITIZE)
  return()
endif()

# polderd as it ships, killed; sanitizers would be slow and see nothing more.
add_executable(kill_points tests/faults/kill_points.cpp)
add_test(NAME kill COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/faults/kill_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:polderd> $<TARGET_FILE:kill_points> --every 60)

# polderd, reloaded in each phase of an update.
add_test(NAME hang_up COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/faults/hang_up_test.py
         $<TARGET_FILE:polder> $<TARGET_FILE:polderd> $<TARGET_FILE:kill_points>)

# A repository, while it is published.
add_test(NAME publish_faults COMMAND /usr/bin/python3
         ${PROJECT_SOURCE_DIR}/tests/faults/publish_test.py $<TARGET_FILE:polder>
         $<TARGET_FILE:kill_points>)

# What looks after a hub's folder.
add_test(NAME hub_kill COMMAND /usr/bin/python3
         ${PROJECT_SOURCE_DIR}/tests/faults/hub_kill_test.py $<TARGET_FILE:polder-hub>
         $<TARGET_FILE:polder> $<TARGET_FILE:kill_points> --every 15)

# The program and a hostile server; clocks that are wrong.
add_library(wrong_clock MODULE tests/faults/wrong_clock.cpp)
foreach(name network clock)
  add_test(NAME ${name}_faults
           COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/faults/${name}_test.py
                   $<TARGET_FILE:polder> $<TARGET_FILE:polderd> $<TARGET_FILE:wrong_clock>)
endforeach()
# A hub that goes on from a backup, or whose clock is wrong.
add_test(NAME hub_restore
         COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/e2e/hub_restore_test.py
                 $<TARGET_FILE:polder-hub> $<TARGET_FILE:polderd> $<TARGET_FILE:polder>
                 $<TARGET_FILE:wrong_clock>)
set_tests_properties(kill hang_up publish_faults hub_kill network_faults clock_faults hub_restore
                     PROPERTIES TIMEOUT 900 LABELS faults)
