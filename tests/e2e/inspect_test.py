#!/usr/bin/python3
"""What polder prints of a model whose names are meant for the reader's terminal or browser, and of
what is nested in it.

    inspect_test.py POLDER [TEST...]
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

from onnx_bytes import (field, graph_attribute, onnx_input, onnx_model, onnx_node, onnx_output,
                        onnx_weights)

POLDER = pathlib.Path(sys.argv[1]).resolve()
EVIL = "\x1b[31mred\n<script>alert('x')</script>\u009b2J\u202e&\""


def branch(name, weights, width):
    """A graph of one product: [2,3] x weights [3, width], and the sum over the columns."""
    return (onnx_node("MatMul", ["x", weights], [name + "p"], name=EVIL + name) +
            onnx_node("ReduceSum", [name + "p"], [name + "r"], name=name + "s") +
            field(2, name) +
            field(5, onnx_weights(weights, [3, width], struct.pack("<f", 0.5) * 3 * width)) +
            onnx_output(name + "r"))


def choice_model():
    """y = If(flag): branches of 3*4 and 3*5 weights and twice as many multiply-accumulates."""
    attributes = (graph_attribute("then_branch", branch("t", "tw", 4)) +
                  graph_attribute("else_branch", branch("e", "ew", 5)))
    return onnx_model(onnx_input("flag", [], element=9), onnx_input("x", [2, 3]),
                      onnx_node("If", ["flag"], ["y"], attributes, name="choice"),
                      onnx_output("y"))


def loop_model():
    """y = x [2,3] times weights [3,3], five times over."""
    body = (onnx_node("Identity", ["c"], ["d"]) + onnx_node("MatMul", ["v", "w"], ["u"]) +
            field(2, "body") +
            field(5, onnx_weights("w", [3, 3], struct.pack("<f", 0.5) * 9)) +
            onnx_input("i", [], element=7) + onnx_input("c", [], element=9) +
            onnx_input("v", [2, 3]) + onnx_output("d") + onnx_output("u"))
    return onnx_model(field(5, onnx_weights("five", [], struct.pack("<q", 5), element=7)),
                      onnx_input("x", [2, 3]),
                      onnx_node("Loop", ["five", "", "x"], ["y"], graph_attribute("body", body)),
                      onnx_output("y"))


def evil_model():
    return onnx_model(onnx_input(EVIL, [4]), onnx_node("Abs", [EVIL], ["h"], name=EVIL),
                      onnx_node("Exp", ["h"], [EVIL + "y"], name=EVIL + "y"),
                      onnx_output(EVIL + "y"))


class Inspect(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def polder(self, command, model, *options):
        path = self.scratch / "model.onnx"
        path.write_bytes(model)
        done = subprocess.run([POLDER, command, str(path), *options], capture_output=True,
                              timeout=60, cwd=self.scratch)
        told = f"polder: wrote {options[-1]}\n" if "--html" in options else ""
        self.assertEqual((done.returncode, done.stderr.decode()), (0, told), done)
        return done.stdout.decode()

    def expect_harmless(self, text):
        """No character but a line's end that a terminal would obey."""
        self.assertEqual([c for c in text if c != "\n" and (
            not c.isprintable() or 0x7f <= ord(c) < 0xa0)], [], text)

    def test_no_name_reaches_the_terminal_as_it_is(self):
        for command, *options in [("inspect", "--nodes"), ("inspect", "--json"),
                                  ("profile", "--min-ms", "1"),
                                  ("profile", "--min-ms", "1", "--json"),
                                  ("run", "--input", "zeros"),
                                  ("run", "--input", "zeros", "--json")]:
            with self.subTest(command=command, options=options):
                self.expect_harmless(self.polder(command, evil_model(), *options))
        lines = self.polder("inspect", evil_model(), "--nodes").split("\n")
        self.assertTrue(any("?[31mred?<script>" in line for line in lines), lines)
        summary = json.loads(self.polder("inspect", evil_model(), "--json"))
        self.assertEqual(summary["inputs"][0]["name"], EVIL)

    def test_pages_show_names_as_text(self):
        for model in evil_model(), choice_model():
            for command in ("inspect", "--html"), ("profile", "--min-ms", "1", "--html"):
                page = self.scratch / "page.html"
                if command[0] == "profile" and model == choice_model():
                    continue
                self.polder(command[0], model, *command[1:], str(page))
                text = page.read_text()
                self.assertNotIn("<script>", text)
                self.assertIn("&lt;script&gt;alert('x')&lt;/script&gt;", text)
                self.expect_harmless(text)

    def test_bodies_are_counted(self):
        summary = json.loads(self.polder("inspect", choice_model(), "--json"))
        self.assertEqual(summary["parameters"], 3 * 4 + 3 * 5)
        self.assertEqual(summary["macs"], 2 * 3 * 5)  # of the larger branch
        choice = summary["nodes"][0]
        self.assertEqual(choice["op"], "If")
        self.assertEqual([[node["op"] for node in body] for body in choice["bodies"]],
                         [["Linear", "ReduceSum"]] * 2)
        self.assertEqual([body[0]["macs"] for body in choice["bodies"]], [2 * 3 * 4, 2 * 3 * 5])

    def test_the_page_draws_the_graph(self):
        page = self.scratch / "page.html"
        self.polder("inspect", choice_model(), "--html", str(page))
        text = page.read_text()
        # Two inputs, an output, the If and the two nodes of each of its branches.
        self.assertEqual(text.count("<circle"), 2 + 1 + 1 + 2 * 2)
        # Into the If its condition and x, out of it y; within each branch one product.
        self.assertEqual(text.count("<path"), 2 + 1 + 2 * 1)

    def test_a_loop_counts_as_often_as_it_runs(self):
        summary = json.loads(self.polder("inspect", loop_model(), "--json"))
        self.assertEqual((summary["parameters"], summary["macs"]), (9, 5 * 2 * 3 * 3))

    def test_loops_end(self):
        self.polder("run", loop_model(), "--input", "x=zeros", "--max-iterations", "5")
        done = subprocess.run([POLDER, "run", "model.onnx", "--input", "x=zeros",
                               "--max-iterations", "4"], capture_output=True, timeout=60,
                              cwd=self.scratch)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"made 4 iterations", done.stderr)
        self.assertIn(b"--max-iterations", done.stderr)

    def test_nested_nodes_are_listed(self):
        text = self.polder("inspect", choice_model(), "--nodes")
        self.assertIn("inside", text)
        places = [line.split()[0] for line in text.split("\n") if line[:9].strip()[:1].isdigit()]
        self.assertEqual(places, ["0", "0.0.0", "0.0.1", "0.1.0", "0.1.1"], text)

    def test_the_target_is_what_runs(self):
        def isas(*words):
            done = subprocess.run([POLDER, *words, "--json"], capture_output=True, timeout=60,
                                  cwd=self.scratch)
            self.assertEqual(done.returncode, 0, done)
            found = json.loads(done.stdout)
            return found.get("target"), found["isa"]

        self.polder("inspect", evil_model())
        target, best = isas("inspect", "model.onnx")
        self.assertEqual(target, best)
        generic = ("--target", "generic")
        self.assertEqual(isas("inspect", "model.onnx", *generic), ("generic", "generic"))
        for command in "bench", "profile":
            self.assertEqual(isas(command, "model.onnx", "--min-ms", "1", *generic)[1], "generic")
        self.polder("compile", evil_model(), *generic, "--output", "least.plan")
        self.assertEqual(isas("inspect", "least.plan"), ("generic", best))
        self.assertEqual(isas("inspect", "least.plan", *generic), ("generic", "generic"))
        text = subprocess.run([POLDER, "inspect", "least.plan"], capture_output=True, text=True,
                              cwd=self.scratch, check=True).stdout
        self.assertIn("target    generic\n", text)
        self.assertIn(f"runs with {best}\n", text)
        if best != "generic":
            self.polder("compile", evil_model(), "--output", "best.plan")
            done = subprocess.run([POLDER, "inspect", "best.plan", *generic], capture_output=True,
                                  text=True, cwd=self.scratch)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"made for {best} and asked to run with generic", done.stderr)

    def test_what_is_for_another_machine_can_be_looked_at(self):
        self.polder("inspect", evil_model())
        best = json.loads(self.polder("inspect", evil_model(), "--json"))["isa"]
        for other in {"x86-64-v3", "x86-64-v4", "arm64"} - {best}:
            if best == "x86-64-v4" and other == "x86-64-v3":
                continue  # that runs here, too
            self.polder("compile", evil_model(), "--target", other, "--output", "other.plan")
            for what in ("model.onnx", "--target", other), ("other.plan",):
                done = subprocess.run([POLDER, "inspect", *what, "--json"], capture_output=True,
                                      text=True, cwd=self.scratch, check=False)
                self.assertEqual(done.returncode, 0, done)
                told = json.loads(done.stdout)
                self.assertEqual([node["op"] for node in told["nodes"]], ["Abs", "Exp"])
                self.assertEqual((told["target"], told["isa"], told["runs_here"]),
                                 (other, other, False))
            done = subprocess.run([POLDER, "inspect", "other.plan"], capture_output=True,
                                  text=True, cwd=self.scratch, check=True)
            self.assertIn(f"runs with {other}, not on this machine\n", done.stdout)
            for words in (("inspect", "other.plan", "--target", "generic"),
                          ("run", "other.plan", "--input", "zeros")):
                done = subprocess.run([POLDER, *words], capture_output=True, text=True,
                                      cwd=self.scratch, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"made for {other}", done.stderr)

    def test_open_sizes_leave_something_to_see(self):
        model = self.scratch / "model.onnx"
        model.write_bytes(onnx_model(onnx_input("x", [-1, 4]), onnx_node("Abs", ["x"], ["y"]),
                                     onnx_output("y")))
        done = subprocess.run([POLDER, "inspect", str(model)], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"input     x f32 [?,4]", done.stdout)
        self.assertIn(b"Abs", done.stdout)
        self.assertIn(b"--bound", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
