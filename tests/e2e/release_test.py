#!/usr/bin/python3
"""Releases from the command line: made of a description, shown, verified, damaged, put into a
repository, and assigned to devices.

    release_test.py POLDER [TEST...]
"""
import array
import hashlib
import json
import os
import pathlib
import platform
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import unittest

from onnx_bytes import field, onnx_input, onnx_model, onnx_node, onnx_output, onnx_weights
from small_releases import wav

POLDER = pathlib.Path(sys.argv[1]).resolve()
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}
LAYERS, WIDTH = 4, 256  # of weights, 256 KiB each


def model(changed=None):
    """A chain of products; the weights of the layer `changed` are others."""
    parts = [onnx_input("x", [1, WIDTH])]
    for layer in range(LAYERS):
        chance = random.Random(layer if layer != changed else 99)
        weights = array.array("f", (chance.uniform(-0.1, 0.1) for _ in range(WIDTH * WIDTH)))
        last = layer == LAYERS - 1
        parts += [field(5, onnx_weights(f"w{layer}", [WIDTH, WIDTH], weights.tobytes())),
                  onnx_node("MatMul", [f"h{layer}" if layer else "x", f"w{layer}"],
                            ["y" if last else f"h{layer + 1}"], name=f"n{layer}")]
    return onnx_model(*parts, onnx_output("y"))


def npy(values, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values.tobytes()


PIPELINE = """
[pipeline]
name = "levels"
[[node]]
name = "microphone"
type = "wav_file"
path = "speech.wav"
[[node]]
name = "window"
type = "audio_window"
inputs = ["microphone"]
[[node]]
name = "infer"
type = "infer"
inputs = ["window"]
model = "MODEL"
[[node]]
name = "speech"
type = "vad_smooth"
inputs = ["infer"]
[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
path = "events.jsonl"
"""

DESCRIPTION = """
model = "levels"
version = "1.2.0"
licence = "Apache-2.0"

[[artifact]]
name = "scorer"
file = "model.plan"

[limits]
latency_ms = 50
memory_bytes = 64_000_000

[[golden]]
name = "noise"
artifact = "scorer"
seed = 7

[card]
summary = "Scores levels."
intended_use = "Tests."
limitations = '''
Nothing
else.'''
[[card.metric]]
name = "accuracy"
slice = "night"
value = 0.5

[[baseline]]
signal = "scorer.score"
kind = "score"
edges = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15.5]
counts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]

[lineage]
recipe = "recipe.txt"
[[lineage.dataset]]
name = "levels of 2026"
file = "data.txt"
licence = "CC-BY-4.0"
"""


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.made = pathlib.Path(cls.folder.name)
        for name, changed in {"model": None, "changed": 2}.items():
            (cls.made / f"{name}.onnx").write_bytes(model(changed))
            subprocess.run([POLDER, "compile", f"{name}.onnx", "--output", f"{name}.plan",
                            "--target", "generic"], cwd=cls.made, check=True, capture_output=True)
        for name in ("root", "targets", "online"):
            for command in (["keys", "create", "--output", f"{name}.pem", "--no-passphrase"],
                            ["keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem"]):
                subprocess.run([POLDER, *command], cwd=cls.made, check=True, capture_output=True)
        (cls.made / "recipe.txt").write_text("as ever")
        (cls.made / "data.txt").write_text("1 2 3")

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        for path in self.made.iterdir():
            (self.scratch / path.name).hardlink_to(path)

    def polder(self, *words, status=0):
        """Runs a command in the scratch folder; its output, or its error."""
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.scratch, capture_output=True,
                              text=True, env=ENVIRONMENT, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done.stdout if status == 0 or "verify" in words else done.stderr

    def told(self, *words):
        """The same of one that works, with all that it says."""
        done = subprocess.run([POLDER, *words], cwd=self.scratch, capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def write(self, name, content):
        path = self.scratch / name
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def create(self, description=DESCRIPTION, output="release", status=0, *more):
        self.write("release.toml", description)
        return self.polder("release", "create", "release.toml", "--output", output,
                           "--make-goldens", *more, status=status)

    def refuses(self, description, *expected):
        error = self.create(description, status=1)
        for text in expected:
            self.assertIn(text, error)
        # Neither the folder nor a part of one.
        self.assertEqual([p.name for p in self.scratch.iterdir() if p.is_dir()], [])

    def manifest(self, folder="release"):
        return json.loads((self.scratch / folder / "manifest.json").read_text())

    def blob(self, digest, folder="release"):
        return self.scratch / folder / "blobs" / "sha256" / digest[:2] / digest

    def test_a_release_has_all_that_it_names(self):
        self.create()
        manifest = self.manifest()
        self.assertEqual((manifest["model"], manifest["version"], manifest["created"]),
                         ("levels", "1.2.0", "2027-01-15T08:00:00Z"))
        for blob in manifest["blobs"]:
            content = self.blob(blob["sha256"]).read_bytes()
            self.assertEqual(hashlib.sha256(content).hexdigest(), blob["sha256"])
            self.assertEqual(len(content), blob["bytes"])
        on_disk = {p.name for p in (self.scratch / "release/blobs").rglob("*") if p.is_file()}
        self.assertEqual(on_disk, {blob["sha256"] for blob in manifest["blobs"]})
        artifact = manifest["artifacts"][0]
        plan = (self.scratch / "model.plan").read_bytes()
        self.assertEqual(artifact["blob"], hashlib.sha256(plan).hexdigest())
        self.assertEqual((artifact["target"], artifact["requires"]["plan_format"]), ("generic", 1))
        self.assertTrue(artifact["requires"]["operators"])
        self.assertEqual(manifest["lineage"]["recipe"], hashlib.sha256(b"as ever").hexdigest())
        self.assertEqual(manifest["card"]["limitations"], "Nothing\nelse.")
        self.assertEqual(manifest["baselines"][0]["edges"][-1], 15.5)
        self.assertEqual(len(manifest["goldens"][0]["outputs"]), 1)
        chunked = [blob for blob in manifest["blobs"] if "chunks" in blob]
        self.assertEqual([blob["sha256"] for blob in chunked], [artifact["blob"]])

    def test_it_can_be_made_again_to_the_byte(self):
        self.create()
        self.create(output="again")
        self.assertEqual((self.scratch / "release/manifest.json").read_bytes(),
                         (self.scratch / "again/manifest.json").read_bytes())

    def test_a_changed_layer_changes_its_chunks_alone(self):
        self.create()
        self.create(DESCRIPTION.replace("model.plan", "changed.plan").replace("1.2.0", "1.3.0"),
                    output="next")
        chunks = {}
        for folder in ("release", "next"):
            index = next(blob["chunks"] for blob in self.manifest(folder)["blobs"]
                         if "chunks" in blob)
            data = self.blob(index, folder).read_bytes()
            self.assertEqual(data[:8], b"POLDCIDX")
            entries = struct.iter_unpack("<I32s", data[24:])
            chunks[folder] = {digest: size for size, digest in entries}
        new = sum(size for digest, size in chunks["next"].items()
                  if digest not in chunks["release"])
        # The layer, and what is before the first constant.
        self.assertLessEqual(new, WIDTH * WIDTH * 4 + (80 << 10))
        self.assertGreaterEqual(new, WIDTH * WIDTH * 4)

    def test_show_and_verify(self):
        self.create()
        text = self.polder("release", "show", "release")
        for part in ("levels 1.2.0", "Apache-2.0", "Scores levels.", "scorer", "generic"):
            self.assertIn(part, text)
        shown = json.loads(self.polder("release", "show", "release", "--json"))
        self.assertEqual(shown["manifest"], self.manifest())
        self.assertEqual(shown["target"], "levels/1.2.0/manifest.json")
        self.assertIn("held", self.polder("release", "verify", "release"))
        found = json.loads(self.polder("release", "verify", "release", "--json"))
        self.assertEqual((found["good"], found["goldens"][0]["outcome"]), (True, "held"))
        # A signature in the OpenSSF format lies beside the manifest.
        self.polder("keys", "create", "--type", "p256", "--output", "sign.pem", "--no-passphrase")
        self.polder("keys", "public", "sign.pem", "--output", "sign.pub.pem")
        self.polder("release", "sign", "release", "--key", "sign.pem")
        self.assertIn("good", self.polder("release", "verify", "release", "--public-key",
                                          "sign.pub.pem"))

    def test_limits_are_tried_where_it_is_made(self):
        told = self.create()
        self.assertRegex(told, r"limits of scorer for generic: kept here: p99 [0-9.]+ of 50 ms, "
                               r"memory [0-9.]+ .?B of 64.0 MB")
        tried = json.loads(self.polder("release", "verify", "release", "--json"))["limits"][0]
        self.assertEqual(tried["outcome"], "kept")
        self.assertGreater(tried["p99_ms"], 0)
        self.assertGreater(tried["memory_bytes"], 0)
        shutil.rmtree(self.scratch / "release")
        # A device like this machine would refuse it.
        for limit, missed in (("latency_ms = 0.000001", "above latency_ms = 1e-06"),
                              ("memory_bytes = 1000", "of memory here, above memory_bytes = 1000")):
            key = limit.split(" ")[0]
            description = re.sub(rf"{key} = [0-9_]+", limit, DESCRIPTION)
            self.refuses(description, "limits of 'scorer' for generic", missed,
                         "--no-limits-check")
            self.assertIn("MISSED here", self.create(description, key, 0, "--no-limits-check"))
            found = json.loads(self.polder("release", "verify", key, "--json"))
            self.assertEqual((found["good"], found["limits"][0]["outcome"]), (True, "missed"))
            shutil.rmtree(self.scratch / key)
        # Without a golden a device has nothing to measure with.
        bare = re.sub(r"\[\[golden\]\][^\[]*", "", DESCRIPTION)
        self.refuses(bare, "latency_ms is set, and there is no golden")

    def test_damage_is_found(self):
        self.create()
        golden = self.manifest()["goldens"][0]["outputs"][0]["blob"]
        plan = self.manifest()["artifacts"][0]["blob"]
        for digest in (golden, plan):
            path = self.blob(digest)
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            self.assertIn("damaged", self.polder("release", "verify", "release", status=1))
            path.write_bytes(content[:-1])
            for command in ("show", "verify"):
                done = subprocess.run([POLDER, "release", command, "release"], cwd=self.scratch,
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 1)
                self.assertIn("where the manifest has", done.stderr)
            path.write_bytes(content)
        self.write("release/blobs/sha256/extra", "x")
        self.assertIn("nothing in the manifest names it",
                      self.polder("release", "verify", "release", status=1))
        (self.scratch / "release/blobs/sha256/extra").unlink()
        self.blob(plan).unlink()
        self.polder("release", "show", "release", status=1)

    def test_goldens_that_do_not_hold(self):
        values = array.array("f", [0.25] * WIDTH)
        self.write("in.npy", npy(values, f"(1, {WIDTH})"))
        self.write("out.npy", npy(values, f"(1, {WIDTH})"))
        given = DESCRIPTION.replace("seed = 7", 'inputs = "in.npy"\noutputs = "out.npy"')
        self.refuses(given, "golden 'noise' does not hold on artifact 'scorer' for generic",
                     "beyond 0.0001 + 0.001", "expected")
        # Recorded, they hold; other weights are found out.
        self.create(DESCRIPTION.replace("seed = 7", 'inputs = "in.npy"'))
        recorded = self.manifest()["goldens"][0]["outputs"][0]["blob"]
        self.write("out.npy", self.blob(recorded).read_bytes())
        self.refuses_changed(given.replace("model.plan", "changed.plan"))
        self.create(given, output="same")
        # Without leave nothing is recorded.
        self.write("release.toml", DESCRIPTION)
        error = self.polder("release", "create", "release.toml", "--output", "x", status=1)
        self.assertIn("--make-goldens", error)

    def refuses_changed(self, description):
        error = self.create(description, output="changed", status=1)
        self.assertIn("does not hold", error)
        self.assertFalse((self.scratch / "changed").exists())

    def test_what_is_wrong_is_named(self):
        plan = (self.scratch / "model.plan").read_bytes()
        self.write("newer.plan", plan[:8] + struct.pack("<I", 9) + plan[12:])
        self.write("cut.plan", plan[:-1])
        self.write("empty.onnx", b"")
        artifact = '[[artifact]]\nname = "scorer"\nfile = "model.plan"\n'
        self.assertIn(artifact, DESCRIPTION)
        for old, new, *expected in (
                ("model.plan", "newer.plan", "newer.plan", "format 9", "release.toml:7"),
                ("model.plan", "cut.plan", "cut.plan", "release.toml:7"),
                ("model.plan", "none.plan", "none.plan", "[[artifact]]"),
                ("model.plan", ".", "folder"),
                (artifact, artifact * 2, "a second plan of that name for generic"),
                ("licence =", "license =", "release.toml:4", "did you mean 'licence'?"),
                ("[[artifact]]", "[[artefact]]", "did you mean 'artifact'?"),
                ("file = \"model", "flie = \"model", "did you mean 'file'?"),
                ("value = 0.5", "valu = 0.5", "[[card.metric]]", "did you mean 'value'?"),
                ("[[artifact]]", "[artifact]", "[[its name]]"),
                ('version = "1.2.0"', 'version = "1.2"', "release.toml:3", "a version such as"),
                ('"Apache-2.0"', '"a b"', "an SPDX expression"),
                ('model = "levels"', 'model = "a/b"', "model: a name of 1 to 128 letters"),
                ("15.5]", "]", "15 edges and 16 counts expected, 14 and 16 found"),
                ("[0, 1,", "[0.5, 1,", "whole numbers"),
                ("memory_bytes = 64_000_000", "memory_bytes = 9e30", "memory_bytes"),
                ("memory_bytes = 64_000_000", "memory_bytes = 9_000_000_000_000_000_000",
                 "limits.memory_bytes"),
                ("latency_ms = 50", "latency_ms = -1", "limits.latency_ms"),
                ('artifact = "scorer"', 'artifact = "score"', "there is no model 'score'"),
                ("seed = 7", "", "'inputs' are missing"),
                ("seed = 7", 'inputs = ["in.npy"]', "in.npy"),
                ("seed = 7", 'inputs = ["in.npy", "in.npy"]', "2 input file(s) for a model with 1"),
                ("recipe.txt", "none.txt", "none.txt"),
                ('file = "data.txt"', "", "either 'file' or 'sha256'"),
                ('file = "data.txt"', 'sha256 = "12"', "64 hexadecimal digits"),
                ("[limits]", 'target = "arm64"\n[limits]', "compiled for generic, not for arm64"),
                ("[limits]", 'kind = "onnx"\n[limits]', "a plan by its first bytes"),
                ("model.plan", "model.onnx", "'backend' is missing for this onnx",
                 "polder compile model.onnx --target generic", 'backend = "litert"'),
                ("model.plan", 'model.onnx"\nbackend = "litret', "no backend 'litret'"),
        ):
            with self.subTest(old=old, new=new):
                self.assertIn(old, DESCRIPTION)
                self.refuses(DESCRIPTION.replace(old, new, 1), *expected)
        self.create()
        error = self.create(status=1)
        self.assertIn("there is something of that name", error)
        self.polder("release", "verify", "release")

    def test_a_pipeline_names_artifacts(self):
        described = DESCRIPTION + '[pipeline]\nfile = "p.toml"\nfiles = ["labels.txt"]\n'
        self.write("labels.txt", "low\nhigh\n")
        self.write("p.toml", PIPELINE.replace("MODEL", "model.plan"))
        self.refuses(described, "p.toml:", "in a release it is an artifact's name: 'scorer'")
        self.write("p.toml", PIPELINE.replace("json_lines", "jsn_lines"))
        self.refuses(described, "p.toml:")
        self.write("p.toml", PIPELINE.replace("MODEL", "scorer"))
        self.create(described)
        pipeline = self.manifest()["pipeline"]
        self.assertEqual(list(pipeline["files"]), ["labels.txt"])
        self.assertIn(b"scorer", self.blob(pipeline["blob"]).read_bytes())

    def test_goldens_say_where_they_are_to_be_tried(self):
        # Another program's arithmetic is not this one's.
        self.create(DESCRIPTION.replace("model.plan", 'model.onnx"\nbackend = "litert'), "foreign")
        found = json.loads(self.polder("release", "verify", "foreign", "--json"))["goldens"]
        self.assertEqual([golden["outcome"] for golden in found], ["not_tried"])
        self.assertIn("litert is to run it", found[0]["reason"])
        # A plan for another architecture: where to try it, and no path of the folder in the making.
        other = "x86-64-v3" if platform.machine() == "aarch64" else "arm64"
        self.polder("compile", "model.onnx", "--output", "other.plan", "--target", other)
        both = DESCRIPTION.replace("[limits]", '[[artifact]]\nname = "scorer"\n'
                                   'file = "other.plan"\n[limits]')
        text = self.create(both, "both")
        self.assertIn(f"made for {other}; try it there with 'polder release verify'", text)
        self.assertIn("held", text)
        self.assertNotIn("blobs/", text)

    def test_what_each_device_has_to_set_is_told(self):
        self.write("p.toml", PIPELINE.replace("MODEL", "scorer"))
        self.write("speech.wav", "x")
        for files, told in (("", True), ('files = ["speech.wav"]\n', False)):
            self.write("release.toml", DESCRIPTION + '[pipeline]\nfile = "p.toml"\n' + files)
            done = subprocess.run([POLDER, "release", "create", "release.toml", "--make-goldens",
                                   "--output", f"told-{told}"], cwd=self.scratch, check=True,
                                  env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
            self.assertEqual("microphone.path" in done.stderr and "pipeline.levels]" in done.stderr,
                             told, done.stderr)

    def test_models_without_a_pipeline_are_told(self):
        self.write("p.toml", PIPELINE.replace("MODEL", "scorer"))
        self.write("speech.wav", "x")
        piped = DESCRIPTION + '[pipeline]\nfile = "p.toml"\nfiles = ["speech.wav"]\n'
        for name, text, told in (("bare", DESCRIPTION, True), ("piped", piped, False)):
            self.write("release.toml", text)
            done = subprocess.run([POLDER, "release", "create", "release.toml", "--make-goldens",
                                   "--output", name, "--json"], cwd=self.scratch, check=True,
                                  env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
            warnings = json.loads(done.stdout)["warnings"]
            self.assertEqual(len(warnings), int(told), warnings)
            self.assertEqual("has no [pipeline]" in done.stderr, told, done.stderr)

    def test_baselines_of_a_recording(self):
        """Square waves, whose loudness is their height, as a releaser counts them."""
        samples = [sign * level * 64 for level in range(256) for sign in (1, -1)
                   for _ in range(256)]
        self.write("judged.wav", wav(samples))
        # Blocks of half a period each: two of each loudness.
        self.write("p.toml", PIPELINE.replace("MODEL", "model.plan").replace(
            'path = "speech.wav"', 'path = "speech.wav"\nblock = 256').replace(
            'type = "audio_window"', 'type = "audio_window"\ncontext = 0'))
        play = ("play", "p.toml", "--set", "microphone.path=judged.wav", "--baselines")
        self.polder(*play, "baselines.toml")
        made = tomllib.loads((self.scratch / "baselines.toml").read_text())["baseline"]
        self.assertEqual([(item["signal"], item["kind"]) for item in made],
                         [("microphone.rms", "input")])
        loudness = [abs(samples[i]) / 32768 for i in range(0, len(samples), 256)]
        counts = [0] * 16
        for value in loudness:
            counts[sum(value >= edge for edge in made[0]["edges"])] += 1
        self.assertEqual(made[0]["counts"], counts)
        self.assertEqual((counts[0], counts[15]), (0, 0))
        self.assertTrue(all(abs(count - 512 / 14) <= 2 for count in counts[1:15]), counts)
        # They go into the release as they are.
        self.create(DESCRIPTION[:DESCRIPTION.index("[[baseline]]")] +
                    (self.scratch / "baselines.toml").read_text())
        self.assertEqual(self.manifest()["baselines"], made)
        # Too short to compare with, which is told; cut, which is no reference.
        self.write("judged.wav", wav(samples[:256 * 100]))
        done = subprocess.run([POLDER, *play, "short.toml"], cwd=self.scratch, check=True,
                              capture_output=True, text=True, timeout=120)
        self.assertIn("microphone.rms: 100 values, and a device compares with 200 or more",
                      done.stderr)
        self.write("judged.wav", wav(samples)[:-1000])
        self.assertIn("no baselines are written", self.polder(*play, "cut.toml", status=1))
        self.assertFalse((self.scratch / "cut.toml").exists())

    def test_a_sealed_plan_is_delivered_as_it_is(self):
        self.polder("keys", "create", "--type", "p256", "--output", "device.pem",
                    "--no-passphrase")
        self.polder("keys", "public", "device.pem", "--output", "device.pub.pem")
        self.polder("seal", "model.plan", "--to", "device.pub.pem", "--output", "model.sealed")
        described = DESCRIPTION.replace('file = "model.plan"',
                                        'file = "model.plan"\nsealed = "model.sealed"')
        self.create(described)
        artifact = self.manifest()["artifacts"][0]
        self.assertEqual(self.blob(artifact["blob"]).read_bytes(),
                         (self.scratch / "model.sealed").read_bytes())
        plan = (self.scratch / "model.plan").read_bytes()
        self.assertEqual(artifact["sealed"]["sha256"], hashlib.sha256(plan).hexdigest())
        self.assertIn("not tried here: sealed", self.polder("release", "verify", "release"))
        # Who may open it goes with it, and into a repository as a target of its own.
        keys = f'{artifact["sealed"]["file_id"]}.keys'
        self.assertEqual((self.scratch / "release" / "sealed" / keys).read_bytes(),
                         (self.scratch / "model.sealed.keys").read_bytes())
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        self.publish()
        # Which keys they are says where they belong.
        self.polder("keys", "create", "--type", "p256", "--output", "later.pem", "--no-passphrase")
        self.polder("keys", "public", "later.pem", "--output", "later.pub.pem")
        self.polder("seal", "model.sealed", "--add-recipient", "later.pub.pem", "--key",
                    "device.pem")
        for target in ("typo.keys", "levels/1.2.0/typo.keys", f"levels/9.9.9/{keys}"):
            self.assertIn(f"as target 'levels/1.2.0/{keys}': leave out --target", self.polder(
                "repo", "add", "repo", "model.sealed.keys", "--target", target, status=1))
        self.polder("repo", "add", "repo", "model.sealed.keys", "--key", "targets.pem")
        self.publish()
        self.assertEqual((self.scratch / "model.sealed.keys").read_bytes(),
                         self.target(f"levels/1.2.0/{keys}"))
        self.polder("seal", "model.plan", "--to", "device.pub.pem", "--output", "other.sealed")
        self.assertIn("no release of it is here", self.polder(
            "repo", "add", "repo", "other.sealed.keys", status=1))
        self.assertIn("'polder repo add repo release'", self.polder(
            "repo", "add", "repo", "release/manifest.json", status=1))
        # Without them no device opens what is in it.
        self.polder("repo", "remove", "repo", f"levels/1.2.0/{keys}", "--key", "targets.pem")
        self.publish()
        self.assertIn(f"levels/1.2.0/{keys}: no role lists it", self.polder(
            "repo", "verify", "repo", status=1))
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        self.publish()
        self.polder("repo", "verify", "repo")
        self.assertIn(f"levels/1.2.0/{keys}",
                      "".join(path.read_text() for path in
                              (self.scratch / "repo" / "metadata").glob("*.targets.json")))
        self.assertFalse(any(p.read_bytes() == plan
                             for p in (self.scratch / "release").rglob("*") if p.is_file()))
        self.write("model.plan", (self.scratch / "model.onnx").read_bytes())
        self.assertIn("release.toml", self.create(described, output="other", status=1))

    def test_the_sbom_names_every_file(self):
        self.create()
        manifest = self.manifest()
        sbom = json.loads(self.blob(manifest["sbom"]).read_text())
        self.assertEqual((sbom["bomFormat"], sbom["specVersion"]), ("CycloneDX", "1.6"))
        subject = sbom["metadata"]["component"]
        self.assertEqual((subject["name"], subject["version"]), ("levels", "1.2.0"))
        card = subject["modelCard"]
        self.assertEqual(card["quantitativeAnalysis"]["performanceMetrics"],
                         [{"type": "accuracy", "slice": "night", "value": "0.5"}])
        self.assertEqual(card["modelParameters"]["inputs"], [{"format": "x f32 [1,256]"}])
        self.assertEqual([c["hashes"][0]["content"] for c in sbom["components"]],
                         [manifest["artifacts"][0]["blob"]])

    def init_repository(self):
        self.polder("repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.polder("repo", "sign", "repo", "--key", "root.pem", "--key", "targets.pem")

    def publish(self):
        self.polder("repo", "publish", "repo", "--key", "online.pem")

    def target(self, path):
        """The published bytes of a target, by the newest file of its name."""
        folder, name = (self.scratch / "repo/targets" / path).parent, path.rsplit("/", 1)[-1]
        return max(folder.glob(f"*.{name}"), key=lambda p: p.stat().st_mtime_ns).read_bytes()

    def test_a_licence_that_nobody_knows_is_told(self):
        text = DESCRIPTION.replace('licence = "Apache-2.0"', 'licence = "Apache-2"')
        self.assertNotEqual(text, DESCRIPTION)
        self.write("release.toml", text)
        said = self.told("release", "create", "release.toml", "--make-goldens", "--output", "odd")
        self.assertIn("licence 'Apache-2' is not on SPDX's list; did you mean 'Apache-2.0'?",
                      said.stderr)

    def test_a_repository_takes_releases(self):
        self.create()
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        self.publish()
        for blob in self.manifest()["blobs"]:
            digest = blob["sha256"]
            there = self.scratch / "repo/blobs/sha256" / digest[:2] / digest
            self.assertEqual(hashlib.sha256(there.read_bytes()).hexdigest(), digest)
        self.assertEqual(self.target("levels/1.2.0/manifest.json"),
                         (self.scratch / "release/manifest.json").read_bytes())
        self.assertIn("good", self.polder("repo", "verify", "repo"))
        # A copy that lacks blobs is not whole.
        for digest in [blob["sha256"] for blob in self.manifest()["blobs"]]:
            there = self.scratch / "repo/blobs/sha256" / digest[:2] / digest
            kept = there.read_bytes()
            there.unlink()
            self.assertIn(f"levels 1.2.0: blob {digest} is missing; copy it again",
                          self.polder("repo", "verify", "repo", status=1))
            there.write_bytes(kept)
        (self.scratch / "repo/blobs").rename(self.scratch / "elsewhere")
        self.assertIn("is missing: copy it here", self.polder(
            "repo", "publish", "repo", "--key", "online.pem", status=1))
        found = json.loads(self.polder("repo", "verify", "repo", "--json", status=1))
        self.assertEqual((found["good"], len(found["problems"])),
                         (False, len(self.manifest()["blobs"])))
        (self.scratch / "elsewhere").rename(self.scratch / "repo/blobs")
        self.polder("repo", "verify", "repo")
        # The same again is fine, another of the same version is not.
        again = self.told("repo", "add", "repo", "release", "--key", "targets.pem")
        self.assertEqual((again.stderr, again.stdout), (
            "polder: levels 1.2.0 is there already\n", "nothing is staged\n"))
        self.create(DESCRIPTION.replace("Scores", "Measures"), output="other")
        self.assertIn("give it a new version",
                      self.polder("repo", "add", "repo", "other", status=1))
        self.assertIn("--target", self.polder("repo", "add", "repo", "release", "--target", "x",
                                              status=1))
        # Nor what is damaged.
        plan = self.blob(self.manifest("other")["artifacts"][0]["blob"], "other")
        content = plan.read_bytes()
        plan.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        self.assertIn("damaged", self.polder("repo", "add", "repo", "other", status=1))

    def test_floors_only_rise(self):
        self.init_repository()
        floor = ["repo", "floor", "repo"]
        self.assertIn("no release of levels at or above 1.2.0:",
                      self.polder(*floor, "levels", "1.2.0", status=1))
        self.polder(*floor, "levels", "1.2.0", "--without-release", "--key", "targets.pem")
        self.polder(*floor, "other", "0.1.0-rc.1", "--without-release", "--key", "targets.pem")
        self.publish()
        self.assertEqual(json.loads(self.target("floors.json")),
                         {"format": 1, "floors": {"levels": "1.2.0", "other": "0.1.0-rc.1"}})
        listed = json.loads(self.polder("repo", "show", "repo", "--json"))["targets"]
        self.assertEqual(listed["floors.json"], "targets")
        self.assertEqual(json.loads(self.polder("repo", "show", "repo", "--json"))["floors"],
                         {"levels": "1.2.0", "other": "0.1.0-rc.1"})
        self.assertIn("floors only rise",
                      self.polder("repo", "floor", "repo", "levels", "1.1.9", status=1))
        for name, version in (("a/b", "1.0.0"), ("levels", "1"), ("levels", "1.0.0+build")):
            self.polder("repo", "floor", "repo", name, version, status=1)
        # The online key signs no floor.
        self.polder("repo", "floor", "repo", "levels", "2.0.0", "--without-release")
        self.polder("repo", "sign", "repo", "--key", "online.pem", status=1)
        self.polder("repo", "publish", "repo", "--key", "online.pem", status=1)
        self.create()
        self.assertIn("below its floor 2.0.0",
                      self.polder("repo", "add", "repo", "release", status=1))

    def test_a_floor_leaves_a_release(self):
        self.create()
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        error = self.polder("repo", "floor", "repo", "levels", "12.0.0", status=1)
        self.assertIn("no release of levels at or above 12.0.0, its highest is 1.2.0", error)
        self.assertIn("--without-release", error)
        self.publish()
        self.assertEqual(list((self.scratch / "repo/targets").glob("*floors.json")), [])
        self.polder("repo", "floor", "repo", "levels", "1.2.0", "--key", "targets.pem")
        self.publish()
        self.assertEqual(json.loads(self.target("floors.json"))["floors"], {"levels": "1.2.0"})

    def test_assignments_choose_among_releases(self):
        self.create()
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        refused = self.polder("repo", "assign", "repo", "default", "levels=1.2.0", status=1)
        self.assertIn("--path 'assignments/*'", refused)
        self.polder("repo", "delegate", "repo", "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*", "--key", "targets.pem")
        self.polder("repo", "assign", "repo", "default", "levels=1.2.0", "--key", "online.pem")
        self.polder("repo", "assign", "repo", "cam-12", "levels=1.2.0", "--shadow", "--not-before",
                    "2030-01-01T02:00:00Z", "--retry", "2", "--key", "online.pem")
        self.publish()
        self.assertEqual(json.loads(self.target("assignments/cam-12.json")),
                         {"format": 1, "device": "cam-12", "not_before": "2030-01-01T02:00:00Z",
                          "releases": [{"name": "levels", "version": "1.2.0", "slot": "model"}],
                          "retry": 2, "shadow": True})
        self.assertEqual(json.loads(self.target("assignments/default.json"))["device"], "default")
        self.assertIn("good", self.polder("repo", "verify", "repo"))
        # What there is, for people and as JSON.
        shown = self.polder("repo", "show", "repo")
        for line in ("  levels: 1.2.0\n", "  assigned to every other device: levels=1.2.0\n",
                     "  assigned to cam-12: levels=1.2.0, in shadow first, not before 2030-01-01T"):
            self.assertIn(line, shown)
        shown = json.loads(self.polder("repo", "show", "repo", "--json"))
        self.assertEqual(shown["releases"], {"levels": ["1.2.0"]})
        self.assertEqual([one["device"] for one in shown["assignments"]], ["cam-12", "default"])
        for words in (["cam-1", "levels=1.3.0"], ["cam-1", "levels"], ["../x", "levels=1.2.0"],
                      ["cam-1", "levels=1.2.0", "levels=1.2.0"], ["cam-1", "levels=1"]):
            with self.subTest(words=words):
                self.polder("repo", "assign", "repo", *words, status=1)
        self.assertIn("no release levels 1.3.0 is here", self.polder(
            "repo", "assign", "repo", "cam-1", "levels=1.3.0", status=1))
        self.assertIn("a name of 1 to 128 letters", self.polder(
            "repo", "assign", "repo", "cam-1", "a/b=1.3.0", status=1))
        # Whom it means, and what none is.
        self.assertIn("'default' is every device", self.polder(
            "repo", "assign", "repo", "Default", "levels=1.2.0", status=1))
        told = self.told("repo", "assign", "repo", "default", "levels=1.2.0").stderr
        self.assertIn("every device that has no assignment of its own is to run levels 1.2.0", told)
        told = self.told("repo", "assign", "repo", "cam-1", "--key", "online.pem").stderr
        self.assertIn("device cam-1, in place of 'default', is to install nothing", told)
        self.publish()
        self.assertEqual(json.loads(self.target("assignments/cam-1.json"))["releases"], [])
        # The online key signs no release.
        self.create(DESCRIPTION.replace("1.2.0", "1.3.0"), output="next")
        self.polder("repo", "add", "repo", "next", "--key", "online.pem", status=1)

    def test_a_release_that_is_discarded_leaves_no_blobs(self):
        self.create()
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        self.publish()
        before = sorted(p for p in (self.scratch / "repo").rglob("*") if p.is_file())
        # It shares blobs with the first.
        self.create(DESCRIPTION.replace("1.2.0", "1.3.0").replace("Scores", "Measures"),
                    output="next")
        self.write("key.pem", (self.scratch / "root.pem").read_bytes())
        self.assertIn("holds a private key", self.polder("repo", "add", "repo", "key.pem",
                                                         status=1))
        self.polder("repo", "add", "repo", "next")
        self.assertNotEqual(sorted(p for p in (self.scratch / "repo").rglob("*") if p.is_file()),
                            before)
        self.polder("repo", "discard", "repo")
        self.assertEqual(sorted(p for p in (self.scratch / "repo").rglob("*") if p.is_file()),
                         before)
        self.polder("repo", "verify", "repo")

    def test_a_family_that_is_delegated_later(self):
        # What the top level lists is found there, whatever is delegated.
        self.create()
        self.init_repository()
        self.polder("repo", "add", "repo", "release", "--key", "targets.pem")
        self.publish()
        told = self.told("repo", "delegate", "repo", "family", "--role-key", "root.pub.pem",
                               "--path", "levels/*/*", "--key", "targets.pem")
        self.assertIn("levels/1.2.0/manifest.json is there already and stays with role 'targets'",
                      told.stderr)
        self.polder("repo", "delegate", "repo", "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*", "--key", "targets.pem")
        self.polder("repo", "assign", "repo", "default", "levels=1.2.0", "--key", "online.pem")
        self.polder("repo", "sign", "repo", "--key", "root.pem")
        self.publish()
        self.assertIn("is there already", self.told("repo", "add", "repo", "release").stderr)
        self.create(DESCRIPTION.replace("1.2.0", "1.3.0"), output="next")
        self.polder("repo", "add", "repo", "next", "--key", "root.pem")
        self.publish()
        shown = json.loads(self.polder("repo", "show", "repo", "--json"))["targets"]
        self.assertEqual((shown["levels/1.2.0/manifest.json"], shown["levels/1.3.0/manifest.json"]),
                         ("targets", "family"))
        # A release that devices are to run stays.
        remove = ("repo", "remove", "repo", "levels/1.2.0/manifest.json", "--key", "targets.pem")
        self.assertIn("device 'default' is to run it", self.polder(*remove, status=1))
        self.polder("repo", "assign", "repo", "default", "levels=1.3.0", "--key", "online.pem")
        said = self.polder("repo", "remove", "repo", "levels/1.2.0", status=1)
        self.assertIn("TARGET: 'levels/1.2.0' is not there; did you mean "
                      "'levels/1.2.0/manifest.json'? 'polder repo show repo' lists releases", said)
        said = self.polder("repo", "remove", "repo", "levels/1.2.1/manifest.json", status=1)
        self.assertIn("; did you mean 'levels/1.2.0/manifest.json'? ", said)
        self.polder(*remove)
        self.publish()
        self.polder("repo", "remove", "repo", "levels/1.3.0/manifest.json", "--force", "--key",
                    "root.pem")

    def test_a_runtime_has_a_slot_of_its_own(self):
        self.write("polderd", b"\x7fELF" + bytes(100))
        described = ('model = "polderd"\nversion = "0.9.0"\nlicence = "MIT"\n[[artifact]]\n'
                     'name = "polderd"\nfile = "polderd"\ntarget = "arm64"\n')
        self.refuses(described.replace('target = "arm64"', ""), "'target' must say")
        self.create(described, output="runtime")
        self.assertEqual(self.manifest("runtime")["artifacts"][0]["kind"], "runtime")
        self.init_repository()
        self.polder("repo", "delegate", "repo", "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*")
        self.polder("repo", "add", "repo", "runtime", "--key", "targets.pem")
        self.polder("repo", "assign", "repo", "default", "polderd=0.9.0", "--key", "online.pem")
        self.publish()
        self.assertEqual(json.loads(self.target("assignments/default.json"))["releases"],
                         [{"name": "polderd", "version": "0.9.0", "slot": "runtime"}])

    def test_a_full_disk_leaves_nothing(self):
        self.write("release.toml", DESCRIPTION)
        limited = f"ulimit -f 300; exec {POLDER} release create release.toml --output release " \
                  "--make-goldens"
        done = subprocess.run(["bash", "-c", limited], cwd=self.scratch, capture_output=True,
                              text=True, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual([p.name for p in self.scratch.iterdir() if p.is_dir()], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
