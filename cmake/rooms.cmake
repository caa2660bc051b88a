# The rooms, bottom up. DEPS are the rooms that src/layers.txt allows and the room needs.
find_package(fmt REQUIRED)
if(POLDER_TESTS)
  find_package(GTest REQUIRED)
endif()

polder_room(base LIBS fmt::fmt)
polder_room(platform DEPS base)
polder_room(graph DEPS base)
polder_room(kernel DEPS base)
# Vector code: -O2 of g++ 12 halves its speed, and a * b + c must become one instruction.
target_compile_options(polder_kernel PRIVATE -O3 -ffp-contract=fast)
polder_room(ops DEPS graph kernel base)
polder_room(runtime DEPS ops graph kernel platform base)
polder_room(pipeline DEPS runtime kernel platform base)
if(POLDER_HOST)
  polder_room(measure DEPS runtime platform base)
endif()
