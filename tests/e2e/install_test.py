#!/usr/bin/python3
"""A program of a user builds against what `cmake --install` puts in place, and runs.

    install_test.py BUILD_FOLDER [TEST...]
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from onnx_bytes import onnx_input, onnx_model, onnx_node, onnx_output

BUILD = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "embed"

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(user CXX)
find_package(polder 0.1 REQUIRED)
add_executable(classify {source})
target_link_libraries(classify polder::polder)
"""


def declared_functions(header):
    """The functions that a public header declares and the library must hold: "f", "Shape::text"."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|= \{\}", "", header, flags=re.S)
    text = re.sub(r"^ *private:.*?^};", "};", text, flags=re.S | re.M)
    scope = ""
    for found in re.finditer(r"^(?:class|struct)[^;{]*?(\w+) \{|^(};)"
                             r"|^ {0,2}(?:[^\s;{}()][^;{}()]*[ *&])?(~?\w+|operator=+)"
                             r"\([^;{}]*\)(?! = default)[^;{}]*;",
                             text, flags=re.M):
        opened, closed, function = found.groups()
        if function:
            yield scope + function
        else:
            scope = "" if closed else opened + "::"


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
        cls.free = cls.scratch / "free.onnx"
        cls.free.write_bytes(onnx_model(onnx_input("x", [1, -1]), onnx_node("Abs", ["x"], ["y"]),
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
        plan = self.scratch / "free.plan"
        run(self.prefix / "bin" / "polder", "compile", self.free, "--bound", "x[1]=4", "--output",
            plan)
        for model in self.model, plan:
            printed = run(program, model, env=dict(os.environ, LD_LIBRARY_PATH=str(libraries)))
            self.assertEqual(printed, "class 0, score 0.5\n")

    def test_from_source_it_is_optimised(self):
        source = self.scratch / "from_source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.25)\nproject(user CXX)\n"
            f"add_subdirectory({ROOT} polder)\n")
        environment = {name: value for name, value in os.environ.items()
                       if name != "CMAKE_BUILD_TYPE"}
        printed = run("cmake", "-S", source, "-B", source / "build", env=environment)
        self.assertIn("built as Release", printed)
        commands = json.loads((source / "build" / "compile_commands.json").read_text())
        self.assertGreater(len(commands), 100)
        self.assertEqual([command["file"] for command in commands
                          if " -O3 " not in command["command"]], [])

    def test_the_service_has_its_user(self):
        unit = (self.prefix / "lib" / "systemd" / "system" / "polderd.service").read_text()
        users = self.prefix / "lib" / "sysusers.d" / "polderd.conf"
        template = self.prefix / "share" / "polderd" / "polderd.toml"
        self.assertEqual(template.read_bytes(), (ROOT / "packaging/polderd.toml").read_bytes())
        self.assertIn("\nUser=polderd\nGroup=polderd\n", unit)
        self.assertIn("\nLimitMEMLOCK=infinity\n", unit)
        self.assertRegex(users.read_text(), r"(?m)^u polderd ")
        if not shutil.which("systemd-sysusers"):
            self.skipTest("systemd-sysusers is not here")
        root = self.scratch / "root"
        (root / "etc").mkdir(parents=True)
        run("systemd-sysusers", f"--root={root}", users)
        self.assertRegex((root / "etc" / "passwd").read_text(),
                         r"(?m)^polderd:.*:/var/lib/polderd:/usr/sbin/nologin$")

    def test_older_c_plus_plus_is_told_what_to_do(self):
        for header in "model.h", "tensor.h":
            done = subprocess.run(["c++", "-std=c++17", "-fsyntax-only", "-x", "c++", "-",
                                   f"-I{self.prefix / 'include'}"], capture_output=True, text=True,
                                  input=f"#include <polder/{header}>\n")
            self.assertIn("-std=c++20", done.stderr)

    def test_only_the_interface_is_exported(self):
        symbols = run("nm", "-DC", "--defined-only", self.library_folder() / "libpolder.so")
        names = [line.split(maxsplit=2)[2] for line in symbols.splitlines()]
        self.assertGreater(len(names), 20)
        self.assertEqual([name for name in names
                          if not name.startswith(("polder_", "polder::"))], [])
        self.assertIn("polder::code_name(polder::Code)", names)

    def test_all_of_the_interface_is_exported(self):
        symbols = run("nm", "-DC", "--defined-only", self.library_folder() / "libpolder.so")
        exported = {re.split(r"\[abi|\(", line.split(maxsplit=2)[2])[0].removeprefix("polder::")
                    for line in symbols.splitlines()}
        declared = {function for header in (self.prefix / "include" / "polder").iterdir()
                    for function in declared_functions(header.read_text())}
        self.assertLessEqual({"polder_run", "size_of", "Model::open", "Shape::text"}, declared)
        self.assertEqual(declared - exported, set())

    def test_the_command_finds_its_plugin(self):
        program = self.prefix / "bin" / "polder"
        self.assertIn("polder", run(program, "--version"))
        self.assertTrue((self.prefix / "lib" / "polder" / "polder_video_libav.so").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
