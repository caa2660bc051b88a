"""The two sides of a comparison: the peers in this process, Polder as a command."""
import pathlib
import re
import subprocess

import ai_edge_litert
import numpy as np
import onnxruntime
from ai_edge_litert import schema_py_generated as tflite
from ai_edge_litert.interpreter import Interpreter
import flatbuffers

TIMEOUT_S = 120


class Refused(Exception):
    """A side would not run a model; the message says which and why."""


def versions():
    from importlib.metadata import version
    return {"onnxruntime": version("onnxruntime"), "ai-edge-litert": version("ai-edge-litert")}


class OnnxRuntime:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.output_names = [o.name for o in self.session.get_outputs()]

    def run(self, feeds):
        return dict(zip(self.output_names, self.session.run(self.output_names, feeds)))


class LiteRt:
    def __init__(self, path, content=None):
        self.interpreter = Interpreter(model_path=None if content else str(path),
                                       model_content=content, num_threads=1)
        self.interpreter.allocate_tensors()
        self.inputs = {d["name"]: d["index"] for d in self.interpreter.get_input_details()}
        self.outputs = {d["name"]: d["index"] for d in self.interpreter.get_output_details()}
        self.input_names = list(self.inputs)

    def run(self, feeds):
        for name, value in feeds.items():
            self.interpreter.set_tensor(self.inputs[name], value)
        self.interpreter.invoke()
        return {n: self.interpreter.get_tensor(i).copy() for n, i in self.outputs.items()}


def make(kind, path):
    if kind == "onnxruntime":
        return OnnxRuntime(path)
    return LiteRt(path, dequantised(path))


def dequantised(path):
    """The model with its int8 weights as f32, or None when it has none.

    With int8 weights under f32 activations LiteRT would quantise the activations as it runs;
    this is what the weights mean exactly.
    """
    model = tflite.ModelT.InitFromPackedBuf(pathlib.Path(path).read_bytes(), 0)
    changed = False
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type != tflite.TensorType.INT8 or data is None or len(data) == 0:
            continue
        values = dequantised_values(tensor, np.frombuffer(bytes(data), np.int8))
        model.buffers.append(tflite.BufferT())
        model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        tensor.buffer = len(model.buffers) - 1
        tensor.type, tensor.quantization = tflite.TensorType.FLOAT32, None
        changed = True
    if not changed:
        return None
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def dequantised_values(tensor, integers):
    """(integer - zero point) * scale, of one tensor or along its quantised dimension."""
    quantization = tensor.quantization
    scale = np.asarray(quantization.scale, np.float32)
    zero = quantization.zeroPoint
    zero = np.zeros(len(scale)) if zero is None or len(zero) == 0 else np.asarray(zero)
    shape = [1] * len(tensor.shape)
    if len(scale) > 1:
        shape[quantization.quantizedDimension] = len(scale)
    integers = integers.reshape(tensor.shape).astype(np.float32)
    return (integers - zero.reshape(shape).astype(np.float32)) * scale.reshape(shape)


def file_name(name):
    """An output's name as `polder run` makes a file name of it."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


class Polder:
    """`polder run`, one process a sample."""

    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch

    def run(self, model, feeds, arguments, outputs):
        folder = self.scratch / "out"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        command = [self.program, "run", str(model), "--output-dir", str(folder), *arguments]
        for i, (name, value) in enumerate(feeds.items()):
            path = self.scratch / f"input{i}.npy"
            np.save(path, value)
            command += ["--input", f"{name}={path}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise Refused(f"polder run took more than {TIMEOUT_S} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise Refused(f"polder run ended with {done.returncode}: {lines[-1]}")
        found = {n: folder / f"{file_name(n)}.npy" for n in outputs}
        return {n: np.load(path) for n, path in found.items() if path.exists()}
