#!/usr/bin/python3
"""Lists the kernel shapes of ONNX networks: a line for each distinct heavy layer, with its work.

Use: shapes.py MODEL.onnx...  > shapes.txt      (Debian's python3-onnx)

The list is what kernel work is measured against: `bench/shapes.txt` was written by this program
from the six networks of the speed comparison and the keyword network.
"""
import collections
import pathlib
import sys

import onnx
from onnx import numpy_helper, shape_inference

HEADER = """\
# The heavy layers of the networks in the speed comparison, written by bench/shapes.py.
# Fields, space-separated:
#   network      file name without .onnx
#   count        how often this very shape occurs in the network
#   op           conv (group 1), depthwise (group = channels), gemm (rows x depth x columns), pool;
#                add and mul are what is left to run when nothing is fused
#   in           NHWC of the input (gemm: M,K)
#   out          NHWC of the output (gemm: M,N)
#   kernel       HxW     stride  HxW     pad  top,left,bottom,right     (- where it has none)
#   then         the activation, or residual addition and activation, that a fusing compiler folds
#                into the layer
#   macs         multiply-accumulates of one occurrence; share: of count occurrences in the total
"""
ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "HardSwish": "hardswish", "Softmax": "softmax"}


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


class Network:
    def __init__(self, path):
        model = shape_inference.infer_shapes(onnx.load(path))
        self.name, self.graph = path.stem, model.graph
        self.shape = {i.name: list(i.dims) for i in self.graph.initializer}
        for value in [*self.graph.input, *self.graph.value_info, *self.graph.output]:
            self.shape[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
        self.users = collections.defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.users[name].append(node)
        self.constant = {i.name: i for i in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constant[node.output[0]] = attributes(node)["value"]

    def clip(self, node):
        bounds = [float(numpy_helper.to_array(self.constant[n]))
                  for n in node.input[1:] if n in self.constant]
        return "relu6" if bounds == [0.0, 6.0] else "clip"

    def epilogue(self, node):
        """What alone reads `node`: BatchNormalization (folded away), addition, activation."""
        names, value = [], node.output[0]
        while len(self.users[value]) == 1 or self._is_swish(value):
            if self._is_swish(value):
                names.append("swish")
                break
            user = self.users[value][0]
            if user.op_type == "BatchNormalization":
                pass
            elif user.op_type == "Add" and all(i not in self.constant for i in user.input):
                other = user.input[0 if user.input[1] == value else 1]
                if self._position(other) > self._position(value):
                    break  # the other side is computed later: the addition belongs to that one
                names.append("add")
            elif user.op_type in ACTIVATIONS and user.op_type != "Softmax":
                names.append(ACTIVATIONS[user.op_type])
                break
            elif user.op_type == "Clip":
                names.append(self.clip(user))
                break
            else:
                break
            value = user.output[0]
        return "+".join(names) or "-"

    def _position(self, value):
        return next((i for i, n in enumerate(self.graph.node) if value in n.output), -1)

    def _is_swish(self, value):
        users = sorted(u.op_type for u in self.users[value])
        return users == ["Mul", "Sigmoid"]

    def nhwc(self, name):
        n, c, h, w = self.shape[name]
        return n, h, w, c

    def convolution(self, node):
        a, weight = attributes(node), self.shape[node.input[1]]
        source, result = self.nhwc(node.input[0]), self.nhwc(node.output[0])
        group = a.get("group", 1)
        op = "conv" if group == 1 else "depthwise" if group == source[3] else f"conv/{group}"
        macs = result[0] * result[1] * result[2] * result[3] * weight[1] * weight[2] * weight[3]
        return (op, join(source), join(result), by(weight[2:]), by(a.get("strides", [1, 1])),
                join(a.get("pads", [0] * 4)), self.epilogue(node), macs)

    def gemm(self, node):
        m, k = self.shape[node.input[0]][-2:]
        n = self.shape[node.output[0]][-1]
        return "gemm", f"{m},{k}", f"{m},{n}", "-", "-", "-", self.epilogue(node), m * k * n

    def pool(self, node):
        a = attributes(node)
        kind = "maxpool" if node.op_type == "MaxPool" else "avgpool"
        source = self.nhwc(node.input[0])
        kernel = by(a.get("kernel_shape", source[1:3]))
        return (kind, join(source), join(self.nhwc(node.output[0])), kernel,
                by(a.get("strides", [1, 1])), join(a.get("pads", [0] * 4)), "-", 0)

    def elementwise(self, node):
        if any(len(self.shape.get(i, [])) != 4 or i in self.constant for i in node.input):
            return None
        shapes = "*".join(join(self.nhwc(i)) for i in node.input)
        return node.op_type.lower(), shapes, join(self.nhwc(node.output[0])), "-", "-", "-", "-", 0

    def layers(self):
        kinds = {"Conv": self.convolution, "Gemm": self.gemm, "MatMul": self.gemm,
                 "GlobalAveragePool": self.pool, "AveragePool": self.pool, "MaxPool": self.pool,
                 "Add": self.elementwise, "Mul": self.elementwise}
        counts = collections.Counter()
        for node in self.graph.node:
            row = kinds[node.op_type](node) if node.op_type in kinds else None
            if row:
                counts[row] += 1
        return counts


def join(numbers):
    return ",".join(str(n) for n in numbers)


def by(numbers):
    return "x".join(str(n) for n in numbers)


def main(paths):
    if not paths:
        sys.exit(__doc__)
    print(HEADER, end="")
    for path in map(pathlib.Path, paths):
        network = Network(path)
        layers = network.layers()
        total = sum(row[-1] * n for row, n in layers.items())
        print(f"\n# {network.name}: {total:,} MACs")
        print("# network count op in out kernel stride pad then macs share")
        for row, n in layers.items():
            print(network.name, n, *row, f"{100 * row[-1] * n / total:.1f}%")


main(sys.argv[1:])
