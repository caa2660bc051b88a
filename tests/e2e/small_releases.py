"""Releases of a small model, made as their releaser would, blob by blob: also such as
`polder release create` would refuse to make."""
import hashlib
import json
import struct
import subprocess

from onnx_bytes import field, onnx_input, onnx_model, onnx_node, onnx_output

PIPELINE = """[pipeline]
name = "voice"
[[node]]
name = "microphone"
type = "wav_file"
path = "{wav}"
block = {block}
[[node]]
name = "window"
type = "audio_window"
context = {context}
inputs = ["microphone"]
[[node]]
name = "infer"
type = "infer"
inputs = ["window"]
model = "mean"
[[node]]
name = "speech"
type = "vad_smooth"
inputs = ["infer"]
[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
"""


def npy(dims, values):
    """A .npy file of 32-bit floats."""
    shape = ", ".join(str(d) for d in dims) + ("," if len(dims) == 1 else "")
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
            struct.pack(f"<{len(values)}f", *values))


def wav(samples):
    data = struct.pack(f"<{len(samples)}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" +
            struct.pack("<I", len(data)) + data)


class Maker:
    """Makes releases as their releaser would, blob by blob."""

    def __init__(self, polder, folder, repo):
        self.folder, self.repo = folder, repo
        ints = field(1, "axes") + field(20, 7) + field(8, 1)
        model = onnx_model(onnx_node("ReduceMean", ["x"], ["m"], field(5, ints)),
                           onnx_node("Sigmoid", ["m"], ["y"], name="n1"),
                           onnx_input("x", [1, 576]), onnx_output("y"))
        (folder / "mean.onnx").write_bytes(model)
        subprocess.run([polder, "compile", folder / "mean.onnx", "-o", folder / "mean.plan",
                        "--target", "generic"], check=True, capture_output=True)

    def model(self, polder, name, *parts, port="x", width=576, element=1):
        """Another model of a [1,width] to y [1,1], for manifest(plan=name)."""
        (self.folder / f"{name}.onnx").write_bytes(
            onnx_model(*parts, onnx_input(port, [1, width], element), onnx_output("y")))
        subprocess.run([polder, "compile", self.folder / f"{name}.onnx", "-o",
                        self.folder / f"{name}.plan", "--target", "generic"], check=True,
                       capture_output=True)

    def blob(self, blobs, data):
        digest = hashlib.sha256(data).hexdigest()
        path = self.repo / "blobs" / "sha256" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        blobs[digest] = {"sha256": digest, "bytes": len(data)}
        return digest

    def manifest(self, version, golden=0.5, sound="clip.wav", model="voice",
                 sealed=None, samples=None, baselines=None, block=512, plan="mean",
                 port="x", width=576, broken=None, limits=None):
        """`golden`: what silence gives; None: nothing is expected of it. `broken`: the name of a
        recording that is none, which its worker finds."""
        blobs = {}
        plain = (self.folder / f"{plan}.plan").read_bytes()
        inside = {"sealed": {"file_id": sealed[32:64].hex(), "bytes": len(plain),
                             "sha256": hashlib.sha256(plain).hexdigest()}} if sealed else {}
        plan = self.blob(blobs, sealed or plain)
        sound_file = self.blob(blobs, wav(samples or [0] * 16000))
        files = {"clip.wav": sound_file}
        if broken:
            files[broken] = self.blob(blobs, b"no sound")
        pipeline = self.blob(
            blobs,
            PIPELINE.format(wav=broken or sound, block=block, context=width - block).encode() +
            f"# {version}\n".encode())
        goldens = [{"name": "silence", "artifact": "mean",
                    "inputs": [{"name": port,
                                "blob": self.blob(blobs, npy([1, width], [0.0] * width))}],
                    "outputs": [{"name": "y", "blob": self.blob(blobs, npy([1, 1], [golden]))}],
                    "absolute": 1e-5, "relative": 0}] if golden is not None else []
        return json.dumps({
            "format": 1, "model": model, "version": version, "created": "2026-11-28T12:00:00Z",
            "licence": "Apache-2.0",
            "artifacts": [{"name": "mean", "kind": "plan", "target": "generic", "blob": plan,
                           **inside, "requires": {"plan_format": 1, "operators": {},
                                                 "backend": "native"}}],
            "pipeline": {"blob": pipeline, "files": files},
            **({"limits": limits} if limits else {}),
            **({"goldens": goldens} if goldens else {}),
            **({"baselines": baselines} if baselines else {}), "lineage": {}, "card": {},
            "sbom": self.blob(blobs, b"{}"),
            "blobs": list(blobs.values())})
