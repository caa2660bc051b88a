#!/usr/bin/python3
"""Holds each #include to the rooms of src/layers.txt, and libraries to the rooms that own them.

    layers_test.py ROOT         checks the tree at ROOT: prints file:line of each breach, exit 1
    layers_test.py --self-test  breaks the rules in scratch trees and expects to be told
"""
import pathlib
import re
import sys
import tempfile
import unittest

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')

HOST_FORMATS = {"import", "export"}
LIBAV = {"apps", "pipeline"}
VECTOR = {"kernel", "platform"}
# What an include starts with, the rooms that own it, why. Tests may use anything: none ships.
OWNED = [
    ("toml++/", {"base"}, "TOML is read in one adapter"),
    ("nlohmann/", {"base", "measure", "pipeline", "trust", "cli", "sdk"},
     "JSON is for what people and tools read"),
    ("google/protobuf", HOST_FORMATS, "protobuf is for ONNX, on the host"),
    ("onnx", HOST_FORMATS, "ONNX is a host format"),
    ("tflite", HOST_FORMATS, "TFLite is a host format"),
    ("flatbuffers/", HOST_FORMATS | {"compile", "proto", "runtime"},
     "FlatBuffers is for models, plans and messages"),
    ("boost/", {"hub"}, "Boost throws and compiles slowly"),
    ("openssl/", {"trust", "hub", "platform"}, "cryptography is kept in one place"),
    ("httplib.h", {"platform"}, "HTTP is spoken in one adapter"),
    ("p11-kit/", {"trust"}, "tokens are spoken to in one place"),
    ("tss2/", {"trust"}, "the TPM is spoken to in one place"),
    ("sqlite3.h", {"hub"}, "the database is the hub's"),
    ("libpq-fe.h", {"hub"}, "the database is the hub's"),
    ("date/", {"hub"}, "time zones are the hub's; devices go by UTC"),
    ("libav", LIBAV, "libav is a plug-in, loaded at run time"),
    ("libsw", LIBAV, "libav is a plug-in, loaded at run time"),
    ("hwy/", {"kernel"}, "vector code is for kernels"),
    ("immintrin.h", VECTOR, "vector code is for kernels"),
    ("arm_neon.h", VECTOR, "vector code is for kernels"),
    ("gtest/", set(), "it is for tests"),
]
# Only platform calls the operating system; threads belong to the rooms that schedule.
SYSTEM = re.compile(r"^(sys/|linux/|netinet/|arpa/|(unistd|fcntl|dlfcn|poll|pthread|sched)\.h$"
                    r"|(filesystem|fstream)$)")
SYSTEM_ROOMS = {"platform", "apps"}
THREADS = re.compile(
    r"^(thread|mutex|condition_variable|shared_mutex|future|semaphore|barrier|latch)$")
THREAD_ROOMS = {"platform", "runtime", "pipeline", "measure", "agent", "hub", "apps"}


def read_layers(path):
    """Maps each room to the rooms that it may include; `*` stands for all."""
    layers = {}
    for line in path.read_text().splitlines():
        room, colon, allowed = line.split("#")[0].partition(":")
        if colon:
            layers[room.strip()] = set(allowed.split())
    for room, allowed in layers.items():
        unknown = allowed - set(layers) - {"*"}
        if unknown:
            raise SystemExit(f"{path}: '{room}' may include {sorted(unknown)}: no such room")
    return layers


def library_breach(room, name):
    """Why `room` may not include the library header `name`, or None."""
    if room == "api" and ("/" in name or name.endswith(".hpp")):
        return f"a public header includes <{name}>: only polder/ and the C++ library are allowed"
    for prefix, rooms, why in OWNED:
        if name.startswith(prefix) and room not in rooms:
            owners = ", ".join(sorted(rooms)) or "tests"
            return f"room '{room}' includes <{name}>: {why}; allowed in: {owners}"
    if SYSTEM.match(name) and room not in SYSTEM_ROOMS:
        owners = ", ".join(sorted(SYSTEM_ROOMS))
        return f"room '{room}' includes <{name}>: the system is called by: {owners}"
    if THREADS.match(name) and room not in THREAD_ROOMS:
        owners = ", ".join(sorted(THREAD_ROOMS))
        return f"room '{room}' includes <{name}>: threads belong to: {owners}"
    return None


def breach(layers, room, name, is_test):
    """Why a file of `room` may not include `name`, or None."""
    target = "api" if name.startswith("polder/") else name.split("/")[0]
    if "/" in name and target in layers:
        allowed = layers[room] | {room}
        if allowed & {"*", target}:
            return None
        rooms = ", ".join(sorted(allowed))
        return f"room '{room}' includes \"{name}\"; src/layers.txt allows: {rooms}"
    return None if is_test else library_breach(room, name)


def files_of(root):
    """Yields (room, path) of every source file."""
    for path in sorted((root / "include" / "polder").rglob("*.h")):
        yield "api", path
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in {".h", ".cpp"}:
            yield path.relative_to(root / "src").parts[0], path


def check(root):
    """Returns all breaches as `file:line: why`, and the number of files looked at."""
    layers = read_layers(root / "src" / "layers.txt")
    breaches, count = [], 0
    for room, path in files_of(root):
        where = path.relative_to(root)
        count += 1
        if room not in layers:
            breaches.append(f"{where}:1: room '{room}' is not in src/layers.txt")
            continue
        is_test = path.stem.endswith("_test") or path.stem.startswith("testing")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            why = match and breach(layers, room, match.group(1), is_test)
            if why:
                breaches.append(f"{where}:{number}: {why}")
    return breaches, count


class SelfTest(unittest.TestCase):
    """A rule that cannot fail is no rule: each case writes one file and expects its breaches."""

    def expect(self, lines, file, text):
        """Expects breaches in exactly these lines of the file."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / file).parent.mkdir(parents=True)
            (root / file).write_text(text)
            (root / "src").mkdir(exist_ok=True)
            (root / "src/layers.txt").write_text(
                "# rooms\napi:\nbase: api\nkernel: api base\nruntime: api kernel base\ncli: *\n")
            found, count = check(root)
            self.assertEqual(count, 1)
            self.assertEqual([line.rsplit(f"{file}:")[1].split(":")[0] for line in found],
                             [str(line) for line in lines], found)

    def test_allowed(self):
        self.expect([], "src/runtime/a.cpp", '#include "kernel/b.h"\n#include <thread>\n')
        self.expect([], "src/kernel/a.cpp", '#include "kernel/b.h"\n#include "polder/b.h"\n')
        self.expect([], "src/cli/a.cpp", '#include "runtime/b.h"\n#include <nlohmann/json.hpp>\n')
        self.expect([], "include/polder/a.h", '#include <stdint.h>\n#include "polder/b.h"\n')

    def test_rooms(self):
        self.expect([2], "src/kernel/a.h", '#pragma once\n#include "runtime/b.h"\n')
        self.expect([1], "src/kernel/deep/a.cpp", ' #  include "runtime/b.h"\n')
        self.expect([1], "include/polder/a.h", '#include "base/b.h"\n')
        self.expect([1], "src/attic/a.cpp", "int a;\n")

    def test_tests_keep_to_the_rooms_but_may_use_any_library(self):
        self.expect([1], "src/kernel/a_test.cpp", '#include "runtime/b.h"\n#include <gtest/g.h>\n')

    def test_libraries(self):
        self.expect([1], "src/runtime/a.cpp", "#include <toml++/toml.h>\n")
        self.expect([1], "src/runtime/a.cpp", "#include <google/protobuf/message.h>\n")
        self.expect([1], "src/runtime/a.cpp", '#include "onnx.pb.h"\n')
        self.expect([1], "src/kernel/a.cpp", "#include <gtest/gtest.h>\n")
        self.expect([1], "include/polder/a.h", "#include <fmt/core.h>\n")

    def test_system(self):
        self.expect([1], "src/kernel/a.cpp", "#include <thread>\n")
        self.expect([1, 2], "src/runtime/a.cpp", "#include <sys/mman.h>\n#include <fstream>\n")

    def test_unknown_room_in_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder) / "layers.txt"
            table.write_text("base: cellar\n")
            with self.assertRaises(SystemExit):
                read_layers(table)


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=sys.argv[:1])
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    breaches, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(breaches + [f"{count} files, {len(breaches)} breaches"]))
    if count == 0:
        sys.exit("no source file found: is this the root of the tree?")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
