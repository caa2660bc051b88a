#!/usr/bin/env python3
"""The loops that measure the peak multiply and add on registers alone: reads their machine code.

usage: peak_test.py OBJDUMP LIBRARY      LIBRARY: libpolder_kernel.a, optimised
       peak_test.py --self-test

A timed test would fail on a busy machine, or be too lax to see what happens where a compiler keeps
the sums in memory (a third of the peak) or makes one of them a constant (more than the peak).
"""
import re
import subprocess
import sys
import unittest

# The instructions that multiply (and add), and the sums of each instruction set, as in
# src/kernel/peak.cpp.
KINDS = {"generic": (r"mulps|vmulps|vfmadd\w*ps|fmla", 8), "x86_v3": (r"vfmadd\w*ps", 12),
         "x86_v4": (r"vfmadd\w*ps", 24), "neon": (r"fmla", 24)}


def breaches(listing):
    """What is wrong in objdump's listing, and the names of the loops found."""
    found, wrong = {}, []
    name = None
    for line in listing.splitlines():
        head = re.match(r"[0-9a-f]+ <.*12_GLOBAL__N_1(?:\d+)(generic|x86_v3|x86_v4|neon)E", line)
        if re.match(r"[0-9a-f]+ <", line):
            name = head[1] if head else None
        code = re.match(r"\s+[0-9a-f]+:\t(\S+)\s*(.*)", line)
        if not name or not code:
            continue
        found.setdefault(name, 0)
        if re.fullmatch(KINDS[name][0], code[1]):
            found[name] += 1
            if "(" in code[2] or "[" in code[2]:
                wrong.append(f"{name}: a sum or factor lies in memory: {line.strip()}")
    for name, count in found.items():
        if count == 0 or count % KINDS[name][1]:  # a compiler may make several rounds at once
            wrong.append(f"{name}: {count} multiplications for {KINDS[name][1]} sums")
    return wrong, sorted(found)


class Breaches(unittest.TestCase):
    HEAD = "0000000000000010 <_ZN6polder6kernel12_GLOBAL__N_16x86_v3El>:\n"
    GOOD = "  10:\tvfmadd132ps %ymm1,%ymm2,%ymm3\n"

    def test_registers(self):
        self.assertEqual(breaches(self.HEAD + self.GOOD * 12), ([], ["x86_v3"]))
        self.assertEqual(breaches(self.HEAD + self.GOOD * 36), ([], ["x86_v3"]))

    def test_memory(self):
        spilt = "  10:\tvfmadd213ps (%rax),%ymm2,%ymm3\n"
        self.assertEqual(len(breaches(self.HEAD + self.GOOD * 11 + spilt)[0]), 1)

    def test_sums_that_are_gone(self):
        self.assertEqual(len(breaches(self.HEAD + self.GOOD * 11)[0]), 1)
        self.assertEqual(len(breaches(self.HEAD + "  10:\tret\n")[0]), 1)


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=sys.argv[:1])
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    listing = subprocess.run([sys.argv[1], "-d", "--no-show-raw-insn", sys.argv[2]], check=True,
                             capture_output=True, text=True).stdout
    wrong, found = breaches(listing)
    print("\n".join(wrong + [f"loops: {', '.join(found)}"]))
    if "generic" not in found or len(found) < 2:
        sys.exit("loops of src/kernel/peak.cpp are missing in the library")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
