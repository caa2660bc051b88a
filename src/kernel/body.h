// Standard headers of the kernel bodies. They come in before an instruction set is switched on, so
// that no inline function of the library is compiled for it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "kernel/split.h"
#include "kernel/table.h"
