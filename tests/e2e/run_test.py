#!/usr/bin/python3
"""What polder run takes as inputs, and what it says of those that do not suit.

    run_test.py POLDER [TEST...]
"""
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

from onnx_bytes import (FREE, field, integers_attribute, onnx_input, onnx_model,
                        onnx_node, onnx_output, onnx_weights, pyramid)

POLDER = pathlib.Path(sys.argv[1]).resolve()


def png(width, height):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + bytes([x % 256 for x in range(width * 3)]) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def npy(shape, kind):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return (b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() +
            bytes(math.prod(shape) * int(kind[-1])))


def wav(rate_hz, samples):
    data = struct.pack(f"<{len(samples)}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16) + b"data" +
            struct.pack("<I", len(data)) + data)


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def file(self, name, data):
        (self.scratch / name).write_bytes(data)

    def polder(self, *words, status=0):
        done = subprocess.run([POLDER, *words], capture_output=True, text=True, timeout=60,
                              cwd=self.scratch, check=False)
        self.assertEqual(done.returncode, status, done)
        return done.stdout if status == 0 else done.stderr

    def shape(self, *words):
        outputs = json.loads(self.polder("run", *words, "--json"))["outputs"]
        return outputs["y"]["shape"]

    def test_the_size_of_a_picture(self):
        self.file("pyramid.onnx", pyramid(2))
        self.file("a.png", png(40, 24))
        words = ("pyramid.onnx", "--bound", "x=1,3,64,64", "--input", "a.png")
        self.assertEqual(self.shape(*words), [1, 3, 24, 40])
        self.assertEqual(self.shape(*words, "--size", "64,32"), [1, 3, 32, 64])
        error = self.polder("run", *words, "--size", "65,32", status=1)
        self.assertIn("65 where input 'x' [1,3,?<=64,?<=64] takes up to 64", error)
        self.assertIn("--size W,H), or compile the model for a larger bound", error)
        fixed = ("pyramid.onnx", "--shape", "x=1,3,32,32", "--input", "a.png")
        self.assertEqual(self.shape(*fixed, "--size", "32,32"), [1, 3, 32, 32])
        self.assertIn("--size says 64", self.polder("run", *fixed, "--size", "64,32", status=1))

    def test_sizes_that_a_model_does_not_take(self):
        for halvings in 1, 3, 5:
            self.file("pyramid.onnx", pyramid(halvings))
            self.file("a.png", png(75, 101))
            words = ("run", "pyramid.onnx", "--bound", "x=1,3,256,256", "--input", "a.png")
            error = self.polder(*words, status=1)
            self.assertIn("input 'x' was given as [1,3,101,75], a size that the model does not "
                          "take; it runs with --size 96,128", error)
            self.polder(*words, "--size", "96,128")
        # Not more than the bound, and nothing where no such size is below it.
        error = self.polder("run", "pyramid.onnx", "--bound", "x=1,3,127,80", "--input", "a.png",
                            status=1)
        self.assertIn("--size 64,96", error)
        error = self.polder("run", "pyramid.onnx", "--bound", "x=1,3,127,31", "--input", "a.png",
                            "--size", "30,30", status=1)
        self.assertNotIn("--size", error)
        # Of a size that is given when the model is compiled, it says which.
        error = self.polder("run", "pyramid.onnx", "--shape", "x=1,3,101,75", "--input", "a.png",
                            status=1)
        self.assertIn("x=1,3,101,75", error)
        self.assertIn("multiples of 32", error)
        self.assertEqual(error.count("node 'join'"), 1, error)

    def test_no_size_is_advised_that_does_not_run(self):
        """A model that takes height and width of 96 only, whatever is a multiple of what."""
        self.file("own.onnx", onnx_model(
            onnx_input("x", (1, 3, FREE, FREE)),
            field(5, onnx_weights("w", [1, 1, 96, 96], bytes(4 * 96 * 96))),
            onnx_node("Add", ["x", "w"], ["y"], name="join"), onnx_output("y")))
        words = ("run", "own.onnx", "--bound", "x=1,3,256,256", "--input", "a.png")
        for side in 64, 100:
            self.file("a.png", png(side, side))
            error = self.polder(*words, status=1)
            self.assertIn("node 'join'", error)
            self.assertNotIn("--size", error)
            self.assertNotIn("multiples", error)
        self.file("a.png", png(90, 90))
        self.assertIn("it runs with --size 96,96", self.polder(*words, status=1))

    def test_no_size_is_blamed_for_what_is_no_picture(self):
        """An array of another type, rank, number of channels or above the bound."""
        self.file("pyramid.onnx", pyramid(5))
        for shape, kind in (((1, 3, 75, 75), "<f8"), ((3, 75, 75), "<f4"), ((1, 4, 75, 75), "<f4"),
                            ((1, 3, 300, 75), "<f4"), ((1, 3, 75, 75), "<f4")):
            self.file("a.npy", npy(shape, kind))
            error = self.polder("run", "pyramid.onnx", "--bound", "x=1,3,256,256", "--input",
                                "a.npy", status=1)
            self.assertNotIn("--size", error)
            self.assertNotIn("multiples", error)

    def test_no_shape_is_blamed_for_an_attribute(self):
        pool = onnx_node("MaxPool", ["x"], ["y"], integers_attribute("kernel_shape", [2, 2]) +
                         integers_attribute("strides", [0, 2]), name="pool")
        self.file("pool.onnx", onnx_model(onnx_input("x", (1, 3, FREE, FREE)), pool,
                                          onnx_output("y")))
        error = self.polder("inspect", "pool.onnx", "--shape", "x=1,3,75,75", status=1)
        self.assertIn("strides", error)
        self.assertNotIn("shapes", error)

    def test_what_is_read_is_not_written_over(self):
        self.file("abs.onnx", onnx_model(onnx_input("x", (2,)), onnx_node("Abs", ["x"], ["y"]),
                                         onnx_output("y")))
        self.file("y.npy", npy((2,), "<f4"))
        (self.scratch / "link.onnx").symlink_to("abs.onnx")
        (self.scratch / "hard.onnx").hardlink_to(self.scratch / "abs.onnx")
        before = [(self.scratch / name).read_bytes() for name in ("abs.onnx", "y.npy")]
        for output in "abs.onnx", "./abs.onnx", "link.onnx", "hard.onnx":
            for words in (("compile", "abs.onnx", "--output"), ("inspect", "abs.onnx", "--html"),
                          ("profile", "abs.onnx", "--min-ms", "1", "--html"),
                          ("profile", "abs.onnx", "--min-ms", "1", "--trace")):
                error = self.polder(*words, output, status=1)
                self.assertIn(f"{output}: that is ", error)
                self.assertIn("give the output another name", error)
        error = self.polder("run", "abs.onnx", "--input", "y.npy", "--output-dir", ".", status=1)
        self.assertIn("./y.npy: that is y.npy, which is read here", error)
        self.assertEqual([(self.scratch / name).read_bytes() for name in ("abs.onnx", "y.npy")],
                         before)
        self.polder("compile", "abs.onnx", "--output", "abs.plan")
        self.polder("compile", "abs.onnx", "--output", "abs.plan")

    def test_numbers_for_scalars_and_vectors(self):
        self.file("add.onnx", onnx_model(
            onnx_input("n", (), element=7), onnx_input("v", (2,)),
            onnx_node("Cast", ["n"], ["f"], field(5, field(1, "to") + field(3, 1) + field(20, 2))),
            onnx_node("Add", ["f", "v"], ["y"], name="n1"), onnx_output("y")))
        out = json.loads(self.polder("run", "add.onnx", "--input", "n=3", "--input", "v=1,0.5",
                                     "--json"))
        self.assertEqual(out["outputs"]["y"]["data"], [4, 3.5])
        self.polder("run", "add.onnx", "--input", "3", "--input", "1,2")
        for words, told in ((("n=1.5", "v=zeros"), "input 'n'"), (("n=1", "v=1,2,3"), "input 'v'"),
                            (("v=zeros",), "--input n=NUMBER"), (("n=x", "v=zeros"), "x: ")):
            given = [part for word in words for part in ("--input", word)]
            self.assertIn(told, self.polder("run", "add.onnx", *given, status=1))

    def test_the_rate_of_a_recording(self):
        self.file("abs.onnx", onnx_model(onnx_input("x", (1, 4)), onnx_node("Abs", ["x"], ["y"]),
                                         onnx_output("y")))
        self.file("a.wav", wav(44100, [0, 16384, -16384, 8192]))
        words = ("run", "abs.onnx", "--input", "a.wav")
        error = self.polder(*words, status=1)
        self.assertIn("a.wav: it has 44100 Hz, and 16000 Hz are expected", error)
        self.assertIn("--rate", error)
        self.polder(*words, "--rate", "44100")
        self.file("a.wav", wav(16000, [0, 16384, -16384, 8192]))
        out = json.loads(self.polder(*words, "--json"))
        self.assertEqual(out["outputs"]["y"]["data"], [0, 0.5, 0.5, 0.25])

    def test_bounds_of_a_whole_input(self):
        self.file("pyramid.onnx", pyramid(1))
        bounds = json.loads(self.polder("inspect", "pyramid.onnx", "--bound", "x=-1,-1,64,32",
                                        "--json"))["inputs"][0]["bounds"]
        self.assertEqual(bounds, [1, 3, 64, 32])
        error = self.polder("inspect", "pyramid.onnx", "--bound", "x=1,3,64,64,5", status=1)
        self.assertIn("'x[4]'", error)
        self.assertIn("'x' has 4 dimensions", error)
        # What is missing is told with the model's own rank and extents.
        error = self.polder("inspect", "pyramid.onnx", "--bound", "x=1,3,64", status=1)
        self.assertIn("input 'x' [1,3,?<=64,?] has free dimensions", error)
        self.assertIn("--bound x=1,3,64,640", error)
        self.polder("inspect", "pyramid.onnx", "--bound", "x=1,3,64,640")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
