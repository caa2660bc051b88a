"""Releases of a detector so small that it is written by hand, and pictures for it."""
import json
import struct
import subprocess
import zlib

from onnx_bytes import field, integers_attribute, onnx_input, onnx_model, onnx_node, onnx_output
from onnx_bytes import onnx_weights
from small_releases import Maker, npy

PIPELINE = """[pipeline]
name = "pictures"
[[node]]
name = "camera"
type = "image_folder"
path = "pictures"
frame_rate = 20
[[node]]
name = "box"
type = "letterbox"
inputs = "camera"
size = [4, 6]
[[node]]
name = "normalise"
type = "normalise"
inputs = "box"
layout = "nchw"
[[node]]
name = "infer"
type = "infer"
inputs = "normalise"
model = "detector"
[[node]]
name = "detector"
type = "yolo_decode"
inputs = "infer"
layout = "v8"
labels = "labels.txt"
[[node]]
name = "events"
type = "json_lines"
inputs = "detector"
"""

# What it finds in each picture, by columns: x, y, width, height, score of a person, of a dog.
FOUND = [[1, 3, 1, 1], [1, 2, 3, 4], [1, 1, 1, 1], [1, 1, 1, 1], [0.8, 0.1, 0, 0],
         [0.1, 0.7, 0, 0]]


def detector():
    """y = mean over the colours / 1000 + what it always finds; f32 [1,6,4], as YOLO v8 says it."""
    values = [value for row in FOUND for value in row]
    return onnx_model(
        onnx_input("x", [1, 3, 6, 4]),
        field(5, onnx_weights("small", [1], struct.pack("<f", 0.001))),
        field(5, onnx_weights("found", [1, 6, 4], struct.pack("<24f", *values))),
        onnx_node("ReduceMean", ["x"], ["m"], integers_attribute("axes", [1]) +
                  field(5, field(1, "keepdims") + field(3, 0) + field(20, 2))),
        onnx_node("Mul", ["m", "small"], ["s"], name="n1"),
        onnx_node("Add", ["s", "found"], ["y"], name="n2"), onnx_output("y"))


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(width, height, pixels, *chunks):
    """RGB, 8 bits each, without filters: the rows are in it as they are given."""
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2,
                                                             0, 0, 0)) +
            b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class PictureMaker(Maker):
    def __init__(self, polder, folder, repo):
        super().__init__(polder, folder, repo)
        (folder / "detector.onnx").write_bytes(detector())
        subprocess.run([polder, "compile", folder / "detector.onnx", "-o", folder / "detector.plan",
                        "--target", "generic"], check=True, capture_output=True)

    def manifest(self, version, **options):
        made = json.loads(super().manifest(version, **options))
        blobs = {}
        values = [value for row in FOUND for value in row]
        made["artifacts"][0] |= {"name": "detector", "blob": self.blob(
            blobs, (self.folder / "detector.plan").read_bytes())}
        made["pipeline"] = {
            "blob": self.blob(blobs, PIPELINE.encode() + f"# {version}\n".encode()),
            "files": {"labels.txt": self.blob(blobs, b"person\ndog\n")}}
        made["goldens"] = [{"name": "black", "artifact": "detector",
                            "inputs": [{"name": "x", "blob": self.blob(
                                blobs, npy([1, 3, 6, 4], [0.0] * 72))}],
                            "outputs": [{"name": "y", "blob": self.blob(
                                blobs, npy([1, 6, 4], values))}],
                            "absolute": 1e-5, "relative": 0}]
        made["sbom"] = self.blob(blobs, b"{}")
        made["blobs"] = list(blobs.values())
        return json.dumps(made)
