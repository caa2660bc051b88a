"""Models in double precision, by the plain meaning of their operators: what f32 runtimes round.

Weights and inputs are taken as the f32 (or f16) numbers that they are. Only the operators of the
models whose rows need it are here (see Row in parity.py); another one is a Refused.
"""
import pathlib

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tflite

from peers import Refused


# What both formats mean, channels last: [batch, height, width, channels]

def sigmoid(x):
    with np.errstate(over="ignore"):  # an infinite divisor gives the 0 that is meant
        return 1 / (1 + np.exp(-x))


def padded(x, pads, value=0.0):
    """pads: top, left, bottom, right."""
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def taps(x, kernel, stride, dilation=(1, 1)):
    """For each tap of a window its index and what it reads for all outputs."""
    height, width = ((n - (k - 1) * d - 1) // s + 1
                     for n, k, s, d in zip(x.shape[1:3], kernel, stride, dilation))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y, z = i * dilation[0], j * dilation[1]
            yield (i, j), x[:, y:y + (height - 1) * stride[0] + 1:stride[0],
                            z:z + (width - 1) * stride[1] + 1:stride[1]]


def convolution(x, weights, bias, stride, dilation, groups):
    """weights: [out channels, height, width, in channels / groups]; x padded already."""
    depthwise = groups == x.shape[3] == weights.shape[0]
    if groups != 1 and not depthwise:
        raise Refused("exact: a convolution in groups that are not one channel each")
    total = 0.0 if bias is None else bias
    for (i, j), part in taps(x, weights.shape[1:3], stride, dilation):
        tap = weights[:, i, j]
        total = total + (part * tap[:, 0] if depthwise else part @ tap.T)
    return total


def transposed_convolution(x, weights, bias, stride):
    """weights: [in channels, height, width, out channels]; no padding."""
    batch, height, width, _ = x.shape
    _, rows, columns, channels = weights.shape
    out = np.zeros((batch, (height - 1) * stride[0] + rows, (width - 1) * stride[1] + columns,
                    channels))
    for (i, j), part in taps(out, (rows, columns), stride):
        part += x @ weights[:, i, j]
    return out if bias is None else out + bias


def linear_resize(x, axis, extent, align_corners, half_pixel):
    old = x.shape[axis]
    at = np.arange(extent, dtype=np.float64)
    if align_corners:
        at *= (old - 1) / max(extent - 1, 1)
    else:
        at = (at + 0.5) * (old / extent) - 0.5 if half_pixel else at * (old / extent)
    at = np.clip(at, 0, old - 1)
    low = np.floor(at).astype(int)
    shape = [1] * x.ndim
    shape[axis] = extent
    share = (at - low).reshape(shape)
    return (x.take(low, axis) * (1 - share)
            + x.take(np.minimum(low + 1, old - 1), axis) * share)


# TFLite

OPERATORS = {code: name for name, code in vars(tflite.BuiltinOperator).items()
             if isinstance(code, int)}
ELEMENTS = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16,
            tflite.TensorType.INT32: np.int32}
ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: lambda x: x,
    tflite.ActivationFunctionType.RELU: lambda x: np.maximum(x, 0),
    tflite.ActivationFunctionType.RELU6: lambda x: np.clip(x, 0, 6),
}


class TfliteModel:
    def __init__(self, path):
        self.model = tflite.ModelT.InitFromPackedBuf(pathlib.Path(path).read_bytes(), 0)
        self.graph = self.model.subgraphs[0]

    def name(self, index):
        return self.graph.tensors[index].name.decode()

    def constant(self, index):
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return None
        value = np.frombuffer(bytes(data), ELEMENTS[tensor.type]).reshape(tensor.shape)
        return value if value.dtype == np.int32 else value.astype(np.float64)

    def run(self, feeds):
        values = {i: self.constant(i) for i in range(len(self.graph.tensors))}
        values[-1] = None
        for index in self.graph.inputs:
            values[index] = feeds[self.name(index)].astype(np.float64)
        for node in self.graph.operators:
            code = self.model.operatorCodes[node.opcodeIndex]
            name = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            rule = getattr(self, name.lower(), None)
            if rule is None:
                raise Refused(f"exact: operator {name} is not there")
            values[node.outputs[0]] = rule(node, *(values[i] for i in node.inputs))
        return {self.name(i): values[i] for i in self.graph.outputs}

    @staticmethod
    def pad_window(x, kernel, options, value=0.0):
        if options.padding == tflite.Padding.VALID:
            return x
        pads = []
        for n, k, s, d in zip(x.shape[1:3], kernel, (options.strideH, options.strideW),
                              (getattr(options, "dilationHFactor", 1),
                               getattr(options, "dilationWFactor", 1))):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            pads.append((total // 2, total - total // 2))
        return padded(x, (pads[0][0], pads[1][0], pads[0][1], pads[1][1]), value)

    def conv_2d(self, node, x, weights, bias=None, groups=1):
        o = node.builtinOptions
        x = self.pad_window(x, weights.shape[1:3], o)
        y = convolution(x, weights, bias, (o.strideH, o.strideW),
                        (o.dilationHFactor, o.dilationWFactor), groups)
        return ACTIVATIONS[o.fusedActivationFunction](y)

    def depthwise_conv_2d(self, node, x, weights, bias=None):
        return self.conv_2d(node, x, weights.transpose(3, 1, 2, 0), bias, x.shape[3])

    def max_pool_2d(self, node, x):
        o = node.builtinOptions
        kernel = o.filterHeight, o.filterWidth
        x = self.pad_window(x, kernel, o, -np.inf)
        y = np.max([part for _, part in taps(x, kernel, (o.strideH, o.strideW))], axis=0)
        return ACTIVATIONS[o.fusedActivationFunction](y)

    def resize_bilinear(self, node, x, size):
        o = node.builtinOptions
        for axis in 1, 2:
            x = linear_resize(x, axis, size[axis - 1], o.alignCorners, o.halfPixelCenters)
        return x

    def reshape(self, node, x, shape=None):
        return x.reshape(node.builtinOptions.newShape if shape is None else shape)

    def add(self, node, a, b):
        return ACTIVATIONS[node.builtinOptions.fusedActivationFunction](a + b)

    def pad(self, _, x, paddings):
        return np.pad(x, paddings)

    def dequantize(self, _, x):
        return x

    def logistic(self, _, x):
        return sigmoid(x)


# ONNX

class OnnxModel:
    def __init__(self, path):
        self.graph = onnx.load(str(path)).graph

    @staticmethod
    def number(tensor):
        value = onnx.numpy_helper.to_array(tensor)
        return value.astype(np.float64) if value.dtype.kind == "f" else value

    def run(self, feeds):
        values = {t.name: self.number(t) for t in self.graph.initializer}
        values.update({k: v.astype(np.float64) for k, v in feeds.items()})
        for node in self.graph.node:
            rule = getattr(self, node.op_type.lower(), None)
            if rule is None:
                raise Refused(f"exact: operator {node.op_type} is not there")
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = rule(
                attributes, *(values[i] if i else None for i in node.input))
        return {o.name: values[o.name] for o in self.graph.output}

    def constant(self, attributes):
        return self.number(attributes["value"])

    def conv(self, attributes, x, weights, bias=None):
        if attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise Refused("exact: Conv with auto_pad")
        x = padded(x.transpose(0, 2, 3, 1), attributes.get("pads", (0,) * 4))
        y = convolution(x, weights.transpose(0, 2, 3, 1), bias,
                        attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1)),
                        attributes.get("group", 1))
        return y.transpose(0, 3, 1, 2)

    def convtranspose(self, attributes, x, weights, bias=None):
        if any(attributes.get("pads", ())) or attributes.get("group", 1) != 1:
            raise Refused("exact: ConvTranspose with pads or groups")
        y = transposed_convolution(x.transpose(0, 2, 3, 1), weights.transpose(0, 2, 3, 1), bias,
                                   attributes.get("strides", (1, 1)))
        return y.transpose(0, 3, 1, 2)

    def batchnormalization(self, attributes, x, *parameters):
        gain, shift, mean, variance = (p[:, np.newaxis, np.newaxis] for p in parameters)
        scale = gain / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        return (x - mean) * scale + shift

    def resize(self, attributes, x, _=None, scales=None, sizes=None):
        """By whole factors, where every way to count pixels gives the same nearest one."""
        factors = scales if sizes is None else np.array(sizes) / x.shape
        if attributes.get("mode", b"nearest") != b"nearest" or (factors % 1).any():
            raise Refused("exact: Resize other than nearest by a whole factor")
        for axis, factor in enumerate(factors):
            x = x.repeat(int(factor), axis)
        return x

    def gemm(self, attributes, a, b, c=0.0):
        a = a.T if attributes.get("transA") else a
        b = b.T if attributes.get("transB") else b
        return attributes.get("alpha", 1.0) * (a @ b) + attributes.get("beta", 1.0) * c

    def clip(self, _, x, low=-np.inf, high=np.inf):
        return np.clip(x, low, high)

    def hardsigmoid(self, attributes, x):
        return np.clip(attributes.get("alpha", 0.2) * x + attributes.get("beta", 0.5), 0, 1)

    def flatten(self, attributes, x):
        return x.reshape(int(np.prod(x.shape[:attributes.get("axis", 1)])), -1)

    def concat(self, attributes, *parts):
        return np.concatenate(parts, attributes["axis"])

    def globalaveragepool(self, _, x):
        return x.mean(axis=(2, 3), keepdims=True)

    def relu(self, _, x):
        return np.maximum(x, 0)

    def sigmoid(self, _, x):
        return sigmoid(x)

    def identity(self, _, x):
        return x

    def add(self, _, a, b):
        return a + b

    def mul(self, _, a, b):
        return a * b

    def div(self, _, a, b):
        return a / b


def make(path):
    return (OnnxModel if pathlib.Path(path).suffix == ".onnx" else TfliteModel)(path)
