#!/usr/bin/python3
"""A program of a user builds against what `cmake --install` puts in place, and runs.

    install_test.py BUILD_FOLDER
"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest

from onnx_bytes import onnx_input, onnx_model, onnx_node, onnx_output

BUILD = pathlib.Path(sys.argv[1]).resolve()
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "embed"

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(user CXX)
find_package(polder 0.1 REQUIRED)
add_executable(classify {source})
target_link_libraries(classify polder::polder)
"""


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=240,
                          **options)
    if done.returncode:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = pathlib.Path(folder.name)
        cls.prefix = cls.scratch / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.model = cls.scratch / "model.onnx"
        cls.model.write_bytes(onnx_model(onnx_input("x", [1, 4]), onnx_node("Abs", ["x"], ["y"]),
                                         onnx_output("y")))

    def library_folder(self):
        return next(self.prefix.rglob("libpolder.so")).parent

    def test_with_cmake(self):
        source = self.scratch / "source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(PROJECT.format(source=EXAMPLES / "classify.cpp"))
        build = self.scratch / "build"
        run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        self.assertIn("0.5", run(build / "classify", self.model))

    def test_with_pkg_config(self):
        libraries = self.library_folder()
        environment = dict(os.environ, PKG_CONFIG_PATH=str(libraries / "pkgconfig"))
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", "polder", env=environment))
        program = self.scratch / "classify_c"
        run("cc", "-std=c11", EXAMPLES / "classify.c", "-o", program, *flags)
        printed = run(program, self.model, env=dict(os.environ, LD_LIBRARY_PATH=str(libraries)))
        self.assertEqual(printed, "class 0, score 0.5\n")

    def test_only_the_interface_is_exported(self):
        symbols = run("nm", "-DC", "--defined-only", self.library_folder() / "libpolder.so")
        names = [line.split(maxsplit=2)[2] for line in symbols.splitlines()]
        self.assertGreater(len(names), 20)
        self.assertEqual([name for name in names
                          if not name.startswith(("polder_", "polder::"))], [])
        self.assertIn("polder::code_name(polder::Code)", names)

    def test_the_command_finds_its_plugin(self):
        program = self.prefix / "bin" / "polder"
        self.assertIn("polder", run(program, "--version"))
        self.assertTrue((self.prefix / "lib" / "polder" / "polder_video_libav.so").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
