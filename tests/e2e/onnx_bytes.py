"""ONNX models by hand: protobuf fields and the messages that tests need."""
import struct

FREE = -1  # an extent that the model leaves open


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while True:
        value, low = value >> 7, value & 127
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def field(number, value):
    """An integer, or a text, or bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx_input(name, dims, element=1):
    shape = b"".join(field(1, field(1, dim)) for dim in dims)
    return field(11, field(1, name) + field(2, field(1, field(1, element) + field(2, shape))))


def onnx_output(name):
    return field(12, field(1, name))


def onnx_node(op, inputs, outputs, attributes=b"", name="n0"):
    return field(1, b"".join(field(1, x) for x in inputs) +
                 b"".join(field(2, x) for x in outputs) + field(3, name) + field(4, op) +
                 attributes)


def graph_attribute(name, graph):
    return field(5, field(1, name) + field(6, graph) + field(20, 5))


def onnx_model(*parts, opset=17):
    return field(1, 8) + field(7, b"".join(parts)) + field(8, field(2, opset))


def onnx_weights(name, dims, data, element=1):
    """A TensorProto with raw data."""
    return (b"".join(field(1, dim) for dim in dims) + field(2, element) + field(8, name) +
            field(9, data))


def integers_attribute(name, values):
    return field(5, field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7))


def pyramid(halvings):
    """y = x + (x halved and doubled again): takes multiples of 2^halvings only."""
    pools, last = b"", "x"
    for i in range(halvings):
        pools += onnx_node("MaxPool", [last], [f"p{i}"],
                           integers_attribute("kernel_shape", [2, 2]) +
                           integers_attribute("strides", [2, 2]), name=f"pool{i}")
        last = f"p{i}"
    scale = float(2 ** halvings)
    return onnx_model(
        onnx_input("x", (1, 3, FREE, FREE)),
        field(5, onnx_weights("scales", [4], struct.pack("<4f", 1, 1, scale, scale))), pools,
        onnx_node("Resize", [last, "", "scales"], ["up"], name="up"),
        onnx_node("Add", ["x", "up"], ["y"], name="join"), onnx_output("y"))
