#!/usr/bin/python3
"""Gives the polder command what it must refuse. Each refusal is one line that names the file, the
place and what to do, with exit status 1, and leaves nothing behind.

    bad_input_test.py POLDER SEEDS [MODELS]

SEEDS: what fuzz_seeds wrote. MODELS: the fetched models; without them the pipelines are skipped.
"""
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

from onnx_bytes import (field, graph_attribute, onnx_input, onnx_model, onnx_node, onnx_output,
                        pyramid)

POLDER, SEEDS = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MODELS = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else "models").resolve()
REFUSED = pathlib.Path(__file__).resolve().parent.parent / "data" / "refused"
TFLITE = SEEDS / "tflite" / "CONV_2D0.tflite"


# --- Models by hand ---

def abs_model(dims=(4,)):
    return onnx_model(onnx_input("x", dims), onnx_node("Abs", ["x"], ["y"]), onnx_output("y"))


def npy(shape, descr="<f4", size=4):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    count = 1
    for extent in shape:
        count *= extent
    return (b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() +
            bytes(count * size))


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        self.out = self.scratch / "out"
        self.out.mkdir()

    def file(self, name, data):
        path = self.scratch / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def run_polder(self, *arguments, limit=None, stack=None, memory=None, **options):
        def limits():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            if stack is not None:
                resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))
            if memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        return subprocess.run([POLDER, *map(str, arguments)], capture_output=True, text=True,
                              errors="replace", timeout=120, preexec_fn=limits, cwd=self.scratch,
                              **options)

    def refused(self, *arguments, names=(), leaves=False, **options):
        """Runs polder and expects one line on stderr that holds each of `names`."""
        done = self.run_polder(*arguments, **options)
        told = (arguments, done.returncode, done.stdout, done.stderr)
        self.assertEqual(done.returncode, 1, told)
        self.assertEqual(len(done.stderr.splitlines()), 1, told)
        self.assertLess(len(done.stderr), 10000, told)
        self.assertFalse([c for c in done.stderr if ord(c) < 32 and c != "\n"], told)
        for name in names:
            self.assertIn(str(name), done.stderr)
        left = [str(path) for path in self.out.rglob("*") if path.is_file()]
        self.assertTrue(leaves or not left, (told, left))
        return done.stderr

    def compile_refused(self, model, names=(), **options):
        return self.refused("compile", model, "--output", self.out / "model.plan",
                            names=[model.name, *names], **options)

    def compiled(self, model):
        plan = self.scratch / "good.plan"
        done = self.run_polder("compile", model, "--output", plan)
        self.assertEqual(done.returncode, 0, done.stderr)
        return plan


class Models(Scratch):
    def test_what_is_no_model(self):
        self.compile_refused(self.scratch / "none.onnx", ["No such file"])
        self.compile_refused(self.scratch, ["regular file"])
        random.seed(1)
        noise = bytes(random.randrange(256) for _ in range(5000))
        for name, data in {"empty": b"", "text": b"hello", "noise": noise,
                           "zeros": bytes(5000)}.items():
            for suffix in (".onnx", ".tflite", ".plan", ".bin"):
                model = self.file(name + suffix, data)
                self.compile_refused(model)
                self.refused("inspect", model, names=[model.name])
                self.refused("run", model, names=[model.name])
        os.mkfifo(self.scratch / "pipe.onnx")
        self.compile_refused(self.scratch / "pipe.onnx", ["regular file"])

    def test_truncated_anywhere(self):
        for whole, name in ((TFLITE.read_bytes(), "a.tflite"), (abs_model(), "a.onnx")):
            for size in range(1, len(whole), max(1, len(whole) // 20)):
                model = self.file(name, whole[:size])
                done = self.run_polder("compile", model, "--output", self.out / "model.plan")
                # What is missing may be of no consequence.
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.returncode == 1:
                    self.assertIn(name, done.stderr)
                    self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                for left in self.out.iterdir():
                    left.unlink()

    def test_tflite_that_points_outside(self):
        whole = TFLITE.read_bytes()
        for at in range(0, len(whole) - 4, 12):
            model = self.file("a.tflite", whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4:])
            done = self.run_polder("inspect", model)
            self.assertIn(done.returncode, (0, 1), (at, done.stderr))
            self.assertLessEqual(len(done.stderr.splitlines()), 1, (at, done.stderr))

    def test_huge_shapes(self):
        for dims in ((1 << 35,), (1 << 31, 1 << 31), (1 << 62, 1 << 62)):
            self.compile_refused(self.file("huge.onnx", abs_model(dims)))
        # 2^40 elements of a constant that is not there
        tensor = field(1, 1 << 20) + field(1, 1 << 20) + field(2, 1) + field(8, "w")
        self.compile_refused(self.file("claims.onnx", onnx_model(
            onnx_input("x", (4,)), field(5, tensor), onnx_node("Add", ["x", "w"], ["y"]),
            onnx_output("y"))), ["'w'"])

    def test_cycle(self):
        self.compile_refused(self.file("cycle.onnx", onnx_model(
            onnx_input("x", (4,)), onnx_node("Add", ["x", "b"], ["a"], name="first"),
            onnx_node("Abs", ["a"], ["b"]), onnx_output("b"))), ["first", "cycle"])

    def test_deep_nesting(self):
        graph = onnx_node("Identity", ["x"], ["y"]) + onnx_output("y")
        for _ in range(40):
            graph = onnx_node("If", ["c"], ["y"], graph_attribute("then_branch", graph) +
                              graph_attribute("else_branch", graph)) + onnx_output("y") \
                if len(graph) < 1 << 16 else onnx_node(
                    "If", ["c"], ["y"], graph_attribute("then_branch", graph)) + onnx_output("y")
        model = self.file("deep.onnx", onnx_model(
            onnx_input("x", (4,)), onnx_input("c", (), 9), graph))
        self.compile_refused(model)

    def test_unsupported_operators(self):
        self.compile_refused(self.file("a.onnx", onnx_model(
            onnx_input("x", (4,)), onnx_node("FooBar", ["x"], ["y"], name="odd"),
            onnx_output("y"))), ["FooBar", "odd", "docs/onnx-operators.md"])
        # The operator code of CONV_2D becomes that of SVDF, 27, in the old field and the new one.
        whole = TFLITE.read_bytes()
        changed = None
        for at in range(len(whole) - 4):
            if whole[at:at + 4] != (3).to_bytes(4, "little"):
                continue
            model = self.file("svdf.tflite",
                              whole[:at] + (27).to_bytes(4, "little") + whole[at + 4:])
            done = self.run_polder("inspect", model)
            if "SVDF" in done.stderr:
                changed = model
                break
        self.assertIsNotNone(changed)
        self.compile_refused(changed, ["SVDF (operator 0 't3')", "docs/tflite-operators.md"])

    def test_what_would_run_wrongly(self):
        """int8 ADD with scales; functions with a default attribute and with an overload."""
        self.compile_refused(REFUSED / "quantised_add.tflite", ["ADD", "i8 with a scale"])
        self.compile_refused(REFUSED / "function_default.onnx", ["function 'L'", "defaults"])
        self.compile_refused(REFUSED / "function_overload.onnx", ["function 'F'", "overload"])

    def test_control_characters_are_not_printed(self):
        self.compile_refused(self.file("a.onnx", onnx_model(
            onnx_input("x", (4,)), onnx_node("Foo\x1b[2J\n", ["x"], ["y"]), onnx_output("y"))))

    def test_free_sizes(self):
        dims = field(1, field(2, "n"))
        free = field(11, field(1, "x") + field(2, field(1, field(1, 1) + field(2, dims))))
        self.compile_refused(self.file("free.onnx", onnx_model(
            free, onnx_node("Abs", ["x"], ["y"]), onnx_output("y"))), ["'x'", "--shape"])


class Inputs(Scratch):
    def test_wrong_shape_or_type(self):
        model = self.file("abs.onnx", abs_model((2, 3)))
        for name, data, told in (
                ("shape.npy", npy((3, 2)), "[2,3] expected"),
                ("rank.npy", npy((6,)), "[2,3] expected"),
                ("type.npy", npy((2, 3), "<i8", 8), "f32 [2,3] expected"),
                ("short.npy", npy((2, 3))[:-1], "bytes found"),
                ("claims.npy", npy((2, 3)).replace(b"(2, 3)", b"(9e9)2"), "short.npy"),
                ("empty.npy", b"", ".npy"), ("text.npy", b"1 2 3\n", ".npy")):
            array = self.file(name, data)
            error = self.refused("run", model, "--input", array, "--output-dir", self.out)
            self.assertTrue(name in error or told in error, error)
        self.refused("run", model, names=["'x'", "--input"])
        good = self.file("good.npy", npy((2, 3)))
        self.refused("run", model, "--input", good, "--input", good, names=["1 input"])
        for first in good, f"x={good}":
            self.refused("run", model, "--input", first, "--input", "x=zeros",
                         names=["'x' is given twice"])
        self.refused("run", model, "--input", self.scratch / "none.npy", names=["none.npy"])


class Plans(Scratch):
    def damage(self, plan, at, data):
        whole = plan.read_bytes()
        return self.file("bad.plan", whole[:at] + data + whole[at + len(data):])

    def test_truncated_or_damaged(self):
        plan = self.compiled(TFLITE)
        size = plan.stat().st_size
        for keep in (1, 8, 63, 64, size // 2, size - 1):
            self.refused("run", self.file("bad.plan", plan.read_bytes()[:keep]),
                         names=["bad.plan"])
        self.refused("run", self.damage(plan, size - 1, b"\x77"), names=["bad.plan", "checksum"])

    def test_of_another_version_or_machine(self):
        plan = self.compiled(TFLITE)
        self.refused("run", self.damage(plan, 8, b"\x63"),
                     names=["bad.plan", "plan format 99", "compile"])
        machine = os.uname().machine
        other = "x86-64-v3" if machine == "aarch64" else "arm64"
        done = self.run_polder("compile", TFLITE, "--target", other, "--output", "other.plan")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refused("run", "other.plan", names=["other.plan", "--target"])


NO_THREAD = 1 << 47  # a stack that no address space holds: what a thread asks for by default


class Threads(Scratch):
    def test_threads_that_the_system_does_not_give(self):
        model = self.file("abs.onnx", abs_model())
        self.refused("run", model, "--input", "zeros", "--threads", "8", stack=NO_THREAD,
                     names=["abs.onnx", "thread 2 of 8", "fewer (--threads)"])
        done = self.run_polder("run", model, "--input", "zeros", "--threads", "1", stack=NO_THREAD)
        self.assertEqual(done.returncode, 0, done.stderr)


class Memory(Scratch):
    """From the least memory in which the command starts up to where it succeeds."""

    def refused_until_enough(self, model, *arguments):
        start = next((size for size in range(8 << 20, 256 << 20, 1 << 20)
                      if self.run_polder("--version", memory=size).returncode == 0), None)
        if start is None:
            self.skipTest("a sanitizer takes more address space than any limit here")
        told = []
        for size in range(start + (1 << 20), 512 << 20, 1 << 20):
            done = self.run_polder(*arguments, memory=size)
            if done.returncode == 0:
                break
            told.append((size, done.returncode, done.stderr))
            self.assertEqual(done.returncode, 1, told[-1])
            self.assertEqual(len(done.stderr.splitlines()), 1, told[-1])
            self.assertIn(model.name, done.stderr)
            self.assertRegex(done.stderr, "memory", told[-1])
            self.assertFalse(list(self.out.iterdir()), told[-1])
        self.assertEqual(done.returncode, 0)
        self.assertGreater(len(told), 8)

    def big(self):
        """Its 8 MB of constants are folded with themselves; its tensors are as large."""
        data = bytes(8 << 20)
        tensor = field(1, len(data) // 4) + field(2, 1) + field(8, "w") + field(9, data)
        return self.file("big.onnx", onnx_model(
            onnx_input("x", (len(data) // 4,)), field(5, tensor),
            onnx_node("Add", ["w", "w"], ["v"]), onnx_node("Add", ["x", "v"], ["y"]),
            onnx_output("y")))

    def test_running(self):
        model = self.big()
        self.refused_until_enough(model, "run", model, "--input", "x=zeros", "--threads", "2")

    def test_compiling(self):
        model = self.big()
        self.refused_until_enough(model, "compile", model, "--output", self.out / "big.plan")


class FullDisk(Scratch):
    """A limit on the size of a file stands for a full disk: the error comes from the same call."""
    reason = "File too large"

    def full(self, *arguments, name, **options):
        self.refused(*arguments, limit=100, names=[self.out / name, self.reason, "free some space"],
                     **options)

    def test_writing_a_plan(self):
        self.full("compile", TFLITE, "--output", self.out / "model.plan", name="model.plan")

    def test_writing_outputs(self):
        model = self.file("abs.onnx", abs_model((2, 300)))
        array = self.file("x.npy", npy((2, 300)))
        self.full("run", model, "--input", array, "--output-dir", self.out, name="y.npy")

    def test_writing_reports(self):
        self.full("inspect", TFLITE, "--html", self.out / "page.html", name="page.html")
        for option, name in (("--trace", "trace.json"), ("--html", "page.html")):
            self.full("profile", TFLITE, "--min-ms", "1", option, self.out / name, name=name)

    def test_the_plan_that_bench_compiles(self):
        self.full("bench", TFLITE, "--min-ms", "1", name="polder-",
                  env={**os.environ, "TMPDIR": str(self.out)})


class RealFullDisk(FullDisk):
    """The same on a small disk of its own, filled to the brim; for who may mount one."""
    reason = "No space left"

    def setUp(self):
        super().setUp()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.out],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"mounting a disk takes a privilege: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.out], check=True)
        self.filler = self.out / "filler"
        with self.assertRaises(OSError), open(self.filler, "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def full(self, *arguments, name, **options):
        error = self.refused(*arguments, leaves=True, names=[self.out / name, self.reason],
                             **options)
        self.assertEqual(list(self.out.iterdir()), [self.filler], error)


class OtherOutputs(Scratch):
    def test_all_outputs_or_none(self):
        """The disk takes the first output and not the second."""
        model = self.file("two.onnx", onnx_model(
            onnx_input("x", (2, 300)), onnx_node("ReduceSum", ["x"], ["s"], name="n1"),
            onnx_node("Abs", ["x"], ["y"]), onnx_output("s"), onnx_output("y")))
        words = ("run", model, "--input", "zeros", "--output-dir", self.out)
        self.refused(*words, limit=1000, names=["y.npy", "File too large"])
        self.assertEqual(self.run_polder(*words).returncode, 0)
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["s.npy", "y.npy"])

    def test_what_was_there_stays(self):
        plan = self.scratch / "good.plan"
        plan.write_text("old")
        self.refused("compile", TFLITE, "--output", plan, limit=100, names=[plan, "File too large"])
        self.assertEqual(plan.read_text(), "old")

    def test_devices_stay_devices(self):
        """A device as output is written to, not replaced by a file."""
        full = self.scratch / "full"
        full.symlink_to("/dev/full")
        self.refused("compile", TFLITE, "--output", full, names=["full", "No space left"])
        self.assertTrue(full.is_symlink())
        null = self.scratch / "null"
        null.symlink_to("/dev/null")
        self.assertEqual(self.run_polder("compile", TFLITE, "--output", null).returncode, 0)
        self.assertTrue(null.is_symlink())
        self.refused("compile", TFLITE, "--output", self.out, names=["folder"])

    def test_pipes_and_stdout_are_written_to(self):
        pipe = self.scratch / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        done = self.run_polder("compile", TFLITE, "--output", pipe)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(pipe.is_fifo())
        self.assertTrue(os.read(reader, 100).startswith(b"POLDPLAN"))
        before = os.readlink("/dev/stdout")
        page = self.scratch / "page.html"
        with open(page, "wb") as stdout:
            done = subprocess.run([POLDER, "inspect", TFLITE, "--html", "/dev/stdout"],
                                  stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(page.read_text().startswith("<!doctype html>"))
        self.assertEqual(os.readlink("/dev/stdout"), before)

    def test_links_and_permissions_stay(self):
        target = self.scratch / "target.plan"
        target.write_text("old")
        target.chmod(0o640)
        link = self.scratch / "link.plan"
        link.symlink_to("target.plan")
        done = self.run_polder("compile", TFLITE, "--output", link)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(link.is_symlink())
        self.assertTrue(target.read_bytes().startswith(b"POLDPLAN"))
        self.assertEqual(target.stat().st_mode & 0o777, 0o640)

    def test_stdout_is_full(self):
        array = self.file("x.npy", npy((4,)))
        model = self.file("abs.onnx", abs_model())
        # More than stdout holds back.
        steps = [onnx_node("Abs", [f"h{i}"], [f"h{i + 1}"], name=f"n{i}") for i in range(60)]
        chain = self.file("chain.onnx", onnx_model(onnx_input("h0", (4,)), *steps,
                                                   onnx_output("h60")))
        for command in (["inspect", TFLITE], ["inspect", TFLITE, "--json"], ["operators"],
                        ["inspect", chain, "--json"], ["profile", chain, "--json"],
                        ["compile", TFLITE, "--output", self.scratch / "a.plan", "--json"],
                        ["run", model, "--input", array],
                        ["run", model, "--input", array, "--json"],
                        ["bench", TFLITE, "--min-ms", "1", "--json"],
                        ["profile", TFLITE, "--min-ms", "1", "--json"], ["play", "--reference"],
                        ["--help"], ["--version"], ["run", "--help"], ["completion", "bash"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([POLDER, *command], stdout=full, text=True,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn("stdout: No space left", done.stderr, command)


@unittest.skipUnless((MODELS / "ssd_mobilenet_v2.tflite").exists() and
                     (MODELS / "vtest.avi").exists(), "models are not fetched")
class Pipelines(Scratch):
    """The people-counting example, spoilt in one place."""

    def setUp(self):
        super().setUp()
        example = pathlib.Path(__file__).parents[2] / "examples/people-counting/pipeline.toml"
        self.text = example.read_text().replace("../../models", str(MODELS))

    def play(self, text, *arguments, **options):
        path = self.file("pipeline.toml", text)
        return self.refused("play", path, "--out", self.out, "--threads", "2", *arguments,
                            **options)

    def spoilt(self, old, new):
        self.assertIn(old, self.text)
        return self.text.replace(old, str(new), 1)

    def test_toml(self):
        self.refused("play", self.scratch / "none.toml", "--out", self.out, names=["none.toml"])
        self.play("", names=["pipeline.toml"])
        self.play("[pipeline\n", names=["pipeline.toml:1"])
        self.play(self.spoilt("columns = 2", "colunms = 2"),
                  names=["pipeline.toml:", "colunms", "columns"])
        self.play(self.spoilt('type = "tile"', 'type = "tail"'), names=["pipeline.toml:", "tail"])
        self.play(self.spoilt('inputs = "camera"', 'inputs = "camra"'),
                  names=["pipeline.toml:", "camra"])
        self.play(self.spoilt("threshold = 0.4", "threshold = 4"),
                  names=["pipeline.toml:", "threshold"])
        self.play("a = " + "[" * 100000, names=["pipeline.toml"])

    def test_files_that_are_not_there(self):
        for old in ("ssd_mobilenet_v2.tflite", "vtest.avi", "ssd_labels.txt"):
            self.play(self.spoilt(old, "none"), names=["none"])

    def test_files_that_are_something_else(self):
        noise = self.file("noise", bytes(range(256)) * 40)
        path = str(MODELS) + "/"
        self.play(self.spoilt(path + "ssd_mobilenet_v2.tflite", noise), names=["noise"])
        self.play(self.spoilt(path + "vtest.avi", noise), names=["noise"])
        self.play(self.spoilt(path + "ssd_mobilenet_v2.tflite", TFLITE), names=["'infer'"])

    def test_video_that_ends_in_the_middle(self):
        whole = (MODELS / "vtest.avi").read_bytes()
        cut = self.file("cut.avi", whole[:300])
        self.play(self.spoilt(str(MODELS) + "/vtest.avi", cut), names=["cut.avi"])
        # What came before the cut is kept, in files that are complete.
        cut = self.file("cut.avi", whole[:300000])
        self.play(self.spoilt(str(MODELS) + "/vtest.avi", cut), names=["cut.avi"], leaves=True)
        for line in (self.out / "tracks.jsonl").read_text().splitlines():
            json.loads(line)
        self.assertIn("</html>", (self.out / "report.html").read_text()[-20:])
        self.assertIn(b"moov", (self.out / "annotated.mp4").read_bytes())

    def test_no_place_is_told_twice(self):
        for setting, place in (("infer.model=none.tflite", "'infer'"),
                               (f"infer.model={TFLITE}", "'infer'"),
                               ("camera.path=no", "'camera'")):
            error = self.play(self.text, "--set", setting)
            self.assertEqual(error.count(place), 1, error)

    def test_paths_of_set(self):
        for setting in "camera.path=none.avi", "infer.model=none.onnx":
            error = self.play(self.text, "--set", setting, names=["No such file"])
            self.assertIn("a path that is set over the file starts at its folder, "
                          f"{self.scratch}", error)
        error = self.play(self.text, "--set", "infer.model=/none.onnx")
        self.assertNotIn("set over the file", error)
        self.assertIn("paths start at the file's folder", self.run_polder("play", "--help").stdout)

    def test_a_model_of_free_sizes(self):
        model = self.file("free.onnx", onnx_model(
            onnx_input("im", (-1, 3, -1, 300)), onnx_node("Abs", ["im"], ["y"]), onnx_output("y")))
        self.play(self.text, "--set", f"infer.model={model}",
                  names=["input 'im' [?,3,?,300]", "(shapes; --shape im=1,3,640,300)",
                         "(bounds; --bound im=1,3,640,300)"])
        # Only pictures and sequences are long; a recurrent state has a batch in its middle.
        state = self.file("state.onnx", onnx_model(
            onnx_input("state", (2, -1, 128)), onnx_node("Abs", ["state"], ["y"]),
            onnx_output("y")))
        self.play(self.text, "--set", f"infer.model={state}",
                  names=["input 'state' [2,?,128]", "(shapes; --shape state=2,1,128)"])

    def test_a_size_that_the_model_does_not_take(self):
        model = self.file("pyramid.onnx", pyramid(3))
        self.play(self.text, "--set", f"infer.model={model}", "--set", "normalise.layout=nchw",
                  "--set", 'infer.bounds={ "x[2]" = 320, "x[3]" = 320 }',
                  names=["'infer'", "input 'x' came as [1,3,300,300]", "multiples of 32"])

    def test_videos_are_mp4(self):
        for name in "a.mkv", "a.b/c.AVI":
            self.play(self.spoilt("annotated.mp4", name), names=[name, "end in .mp4"])
        done = self.run_polder("play", self.file("p.toml", self.spoilt("annotated.mp4", "a.MP4")),
                               "--out", self.out, "--set", "camera.frames=2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.out / "a.MP4").exists())

    def test_pictures_that_cannot_be_read(self):
        """They are left out and told; the others are looked at."""
        folder = self.scratch / "pictures"
        folder.mkdir()
        good = (MODELS / "board.jpg").read_bytes()
        for name, data in {"a.jpg": good, "b.jpg": good[:3000], "c.png": b"", "d.jpg": good,
                           "e.jpg": b"text", "f\x1b[2J\n.jpg": b"text"}.items():
            (folder / name).write_bytes(data)
        text = self.spoilt(f'type = "video_file"\npath = "{MODELS}/vtest.avi"',
                           f'type = "image_folder"\npath = "{folder}"')
        done = self.run_polder("play", self.file("pipeline.toml", text), "--out", self.out,
                               "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        told = done.stderr.splitlines()
        # A name is shown, and no terminal obeys it.
        for line, name in zip(told, ("b.jpg", "c.png", "e.jpg", "f?[2J?.jpg")):
            self.assertIn(f"node 'camera': {folder}/{name}: ", line)
        self.assertIn("4 of 6 pictures could not be read", told[4])
        self.assertEqual(json.loads(done.stdout)["frames"], 2)
        self.assertEqual(len(json.loads(done.stdout)["problems"]), 5)
        self.assertIn("</html>", (self.out / "report.html").read_text()[-20:])

    def test_threads_that_the_system_does_not_give(self):
        self.play(self.text, "--set", "camera.frames=2", stack=NO_THREAD,
                  names=["thread 2 of 2", "fewer (--threads)"])

    def test_full_disk(self):
        self.play(self.text, "--set", "camera.frames=16", limit=10000, names=["File too large"])

    def test_full_disk_at_each_sink(self):
        """Where one sink's file has no room, none appears: neither its own nor another's."""
        for node, key, name in (("events", "path", "events.jsonl"),
                                ("tracks", "path", "tracks.jsonl"),
                                ("video", "path", "annotated.mp4"),
                                ("report", "path", "report.html")):
            link = self.out / "full"
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/full")
            error = self.play(self.text, "--set", "camera.frames=16", "--set",
                              f"{node}.{key}=\"full\"", leaves=True,
                              names=[f"node '{node}'", self.out / "full", "No space left"])
            self.assertEqual(list(self.out.iterdir()), [link], (name, error))


if __name__ == "__main__":
    signal.alarm(600)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
