#!/usr/bin/python3
"""What a device fetches of sealed releases, with the real programs over HTTP: each is sealed
under a new key, and all that a device has of it is not fetched.

    sealed_reuse_test.py POLDER POLDERD [TEST...]

Prints the bytes fetched.
"""
import array
import functools
import hashlib
import http.server
import json
import pathlib
import random
import re
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, POLDER  # noqa: E402
from onnx_bytes import field, onnx_node, onnx_weights  # noqa: E402
from small_releases import PIPELINE, wav  # noqa: E402

WIDTH, LAYERS = 576, 5
LAYER = WIDTH * WIDTH * 4  # bytes of its weights
SEGMENT = 65536 + 16
HEADER = 64
RELEASE = """
model = "{model}"
version = "{version}"
licence = "Apache-2.0"
[[artifact]]
name = "mean"
file = "{plan}.plan"
sealed = "{plan}.sealed"
[[golden]]
name = "noise"
artifact = "mean"
seed = 7
[pipeline]
file = "pipeline.toml"
files = ["clip.wav"]
"""


@functools.cache
def weights(seed):
    chance = random.Random(seed)
    return array.array("f", (chance.uniform(-0.05, 0.05) for _ in range(WIDTH * WIDTH))).tobytes()


class Handler(http.server.BaseHTTPRequestHandler):
    """A folder, with ranges; counts the bytes of blobs, and turns a bit when told to."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data, first, last = path.read_bytes(), 0, None
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            first, last = int(asked[1]), int(asked[2]) if asked[2] else None
        last = len(data) - 1 if last is None else min(last, len(data) - 1)
        part = data[first:last + 1]
        self.server.asked.append((path.name, first, len(part)))
        at = self.server.flip.pop(path.name, None)
        if at is not None:
            part = part[:at - first] + bytes([part[at - first] ^ 1]) + part[at - first + 1:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # it has seen enough

    def log_message(self, *_):
        pass


class SealedReuse(Device):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.folder, self.server.asked, self.server.flip = self.repo, [], {}
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (self.server.shutdown(), thread.join(),
                                 self.server.server_close()))
        self.configure(f"http://127.0.0.1:{self.server.server_port}")
        made = json.loads(self.agent("identity", "create", "--json"))
        (self.scratch / "device.pub.pem").write_text(made["decryption"]["public"])
        (self.scratch / "clip.wav").write_bytes(wav([0] * 16000))

    def plan(self, name, seeds):
        """A plan whose layers have the weights that the seeds give."""
        parts = []
        for number, seed in enumerate(seeds):
            parts += [field(5, onnx_weights(f"w{seed}", [WIDTH, WIDTH], weights(seed))),
                      onnx_node("MatMul", [f"h{number}" if number else "x", f"w{seed}"],
                                [f"h{number + 1}"], name=f"layer{seed}")]
        axes = field(5, field(1, "axes") + field(20, 7) + field(8, 1))
        self.maker.model(POLDER, name, *parts,
                         onnx_node("ReduceMean", [f"h{len(seeds)}"], ["m"], axes, name="mean"),
                         onnx_node("Sigmoid", ["m"], ["y"], name="out"))

    def seal(self, name):
        self.polder("seal", self.scratch / f"{name}.plan", "--to",
                    self.scratch / "device.pub.pem", "--output", self.scratch / f"{name}.sealed")

    def publish_release(self, version, name):
        """Returns the names of the sealed blob and of its inner index."""
        (self.scratch / "pipeline.toml").write_text(
            PIPELINE.format(wav="clip.wav", block=512, context=64) + f"# {version}\n")
        (self.scratch / "release.toml").write_text(
            RELEASE.format(model=MODEL, version=version, plan=name))
        folder = self.scratch / f"release-{version}"
        self.polder("release", "create", self.scratch / "release.toml", "--make-goldens",
                    "--output", folder)
        self.polder("release", "verify", folder)
        self.polder("repo", "add", self.repo, folder, "--key", "targets.pem")
        self.publish()
        artifact = json.loads((folder / "manifest.json").read_text())["artifacts"][0]
        return artifact["blob"], artifact["sealed"]["chunks"]

    def update(self, version, blob):
        """Installs what is published; returns the bytes of the blob that were fetched."""
        self.server.asked.clear()
        self.install()
        self.assertEqual(self.running(), version)
        status = json.loads(self.agent("status", "--json"))
        self.assertEqual(status["live"]["health"][MODEL], "well")
        return sum(size for name, _, size in self.server.asked if name == blob)

    def size(self, name):
        return (self.scratch / f"{name}.sealed").stat().st_size

    def say(self, what, fetched, name):
        print(f"{what}: {fetched:,} of {self.size(name):,} bytes fetched "
              f"({100 * fetched / self.size(name):.1f}%)", file=sys.stderr)

    def expect_no_plaintext(self, name):
        plain = (self.scratch / f"{name}.plan").read_bytes()
        pieces = [plain[at:at + 64] for at in range(0, len(plain) - 64, 500_000)]
        for path in self.device.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            self.assertFalse(any(piece in content for piece in pieces), path)

    def test_what_is_there_is_not_fetched(self):
        first = list(range(LAYERS))
        versions = [("first", "1.0.0", "all of it", first, 10 ** 9),
                    ("trained", "1.1.0", "one layer trained", [0, 1, 12, 3, 4], LAYER),
                    ("longer", "1.2.0", "a layer put in", [20, 0, 1, 12, 3, 4], LAYER),
                    ("shorter", "1.3.0", "a layer taken out", [20, 0, 12, 3, 4], 0)]
        for name, version, what, seeds, changed in versions:
            self.plan(name, seeds)
            self.seal(name)
            blob, _ = self.publish_release(version, name)
            fetched = self.update(version, blob)
            self.say(what, fetched, name)
            # Segments at both ends of each place that changed: the program and the layer.
            self.assertLess(fetched, changed + 8 * SEGMENT)
            self.assertEqual(fetched < self.size(name), version != "1.0.0")
            self.expect_no_plaintext(name)

    def test_a_wrong_index_only_costs_the_full_download(self):
        self.plan("first", range(LAYERS))
        self.plan("trained", [0, 1, 12, 3, 4])
        self.seal("first")
        blob, _ = self.publish_release("1.0.0", "first")
        self.update("1.0.0", blob)
        # One that another key opens, as the releaser signed it.
        self.seal("trained")
        own = (self.scratch / "trained.sealed.chunks").read_bytes()
        (self.scratch / "trained.sealed.chunks").write_bytes(
            (self.scratch / "first.sealed.chunks").read_bytes())
        blob, _ = self.publish_release("1.1.0", "trained")
        self.assertEqual(self.update("1.1.0", blob), self.size("trained"))
        # Damaged in the repository; gone from it.
        (self.scratch / "trained.sealed.chunks").write_bytes(own)
        for version in ("1.2.0", "1.3.0"):
            for suffix in ("", ".keys", ".chunks"):
                (self.scratch / f"first.sealed{suffix}").unlink()
            self.seal("first")
            blob, index = self.publish_release(version, "first")
            path = next((self.repo / "blobs").rglob(index))
            whole = path.read_bytes()
            path.unlink()
            if version == "1.2.0":
                path.write_bytes(own)
            self.assertEqual(self.update(version, blob), self.size("first"))
            path.write_bytes(whole)  # nothing is published while files are damaged

    def test_a_flipped_bit_costs_its_segment(self):
        self.plan("first", range(LAYERS))
        self.seal("first")
        blob, _ = self.publish_release("1.0.0", "first")
        at = HEADER + 30 * SEGMENT
        self.server.flip[blob] = at + 999
        self.update("1.0.0", blob)
        starts = [first for name, first, _ in self.server.asked if name == blob]
        self.assertEqual(starts, [0, at])
        content = next((self.device / "blobs").rglob(blob)).read_bytes()
        self.assertEqual(hashlib.sha256(content).hexdigest(), blob)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
