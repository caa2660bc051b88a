"""Tests of the comparison itself: it must not pass what it should fail."""
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import helper

import exact
import inputs
import parity
import peers


def row_of(ours, theirs):
    row = parity.Row("model", "kind", "output")
    row.add(ours, theirs)
    return row


def f32(*values):
    return np.array(values, np.float32)


class Comparison(unittest.TestCase):
    def test_limit_is_relative_to_the_largest_value(self):
        self.assertTrue(row_of(f32(100.005, 0), f32(100, 0.005)).ok)
        self.assertFalse(row_of(f32(100.02, 0), f32(100, 0)).ok)

    def test_any_sample_can_fail_a_row(self):
        row = row_of(f32(2), f32(1))
        row.add(f32(1), f32(1))
        self.assertFalse(row.ok)
        self.assertEqual(row.samples, 2)

    def test_not_a_number_passes_only_where_the_peer_has_it(self):
        self.assertFalse(row_of(f32(np.nan, 1), f32(1, 1)).ok)
        self.assertFalse(row_of(f32(1, 1), f32(np.nan, 1)).ok)
        self.assertTrue(row_of(f32(np.nan, 1), f32(np.nan, 1)).ok)
        self.assertFalse(row_of(f32(np.inf, 1), f32(-np.inf, 1)).ok)

    def test_zeros_must_be_zeros(self):
        self.assertTrue(row_of(f32(0, 0), f32(0, 0)).ok)
        self.assertFalse(row_of(f32(0, 1e-30), f32(0, 0)).ok)

    def test_shape_type_and_absence_fail(self):
        self.assertFalse(row_of(f32(1, 2).reshape(1, 2), f32(1, 2)).ok)
        self.assertFalse(row_of(np.array([1.0]), f32(1)).ok)
        self.assertFalse(row_of(None, f32(1)).ok)

    def test_a_row_without_samples_fails(self):
        self.assertFalse(parity.Row("model", "kind", "output").ok)

    def test_top_one_margin(self):
        self.assertTrue(parity.TopOne("m", 902, 900, 1000).ok)
        self.assertFalse(parity.TopOne("m", 897, 900, 1000).ok)


class AgainstTheExactResult(unittest.TestCase):
    def row(self, ours, theirs, reference):
        row = parity.Row("model", "kind", "output")
        row.add(f32(*ours), f32(*theirs), lambda: np.array(reference, np.float64))
        return row

    def test_the_closer_one_passes(self):
        row = self.row((1, 0.9997), (1, 0.9990), (1, 1))
        self.assertTrue(row.ok)
        self.assertAlmostEqual(row.distances[0], 3e-4, delta=1e-6)
        self.assertAlmostEqual(row.distances[1], 1e-3, delta=1e-6)

    def test_within_the_limit_of_it_passes(self):
        self.assertTrue(self.row((1.00009,), (0.99995,), (1,)).ok)

    def test_farther_than_the_peer_fails(self):
        self.assertFalse(self.row((1.0003,), (1.0001,), (1,)).ok)

    def test_one_farther_sample_fails_the_row(self):
        row = self.row((1.0003,), (1.0001,), (1,))
        row.add(f32(1), f32(1), lambda: np.ones(1))
        self.assertFalse(row.ok)

    def test_is_not_computed_where_the_peer_agrees(self):
        row = parity.Row("model", "kind", "output")
        row.add(f32(1), f32(1), lambda: self.fail("not needed"))
        self.assertTrue(row.ok)

    def test_an_unknown_operator_fails_the_row_and_says_so(self):
        def refuse():
            raise peers.Refused("exact: operator Foo is not there")
        row = parity.Row("model", "kind", "output")
        row.add(f32(2), f32(1), refuse)
        self.assertFalse(row.ok)
        self.assertIn("Foo", row.note)

    def test_does_not_excuse_a_shape_or_a_number_that_is_none(self):
        self.assertFalse(self.row((np.nan,), (1,), (1,)).ok)
        self.assertFalse(self.row((2,), (1,), (np.nan,)).ok)
        row = parity.Row("model", "kind", "output")
        row.add(f32(1, 1), f32(1), lambda: np.ones(1))
        self.assertFalse(row.ok)


class ExactOperators(unittest.TestCase):
    def test_convolution(self):
        x = np.arange(48.0).reshape(1, 4, 6, 2)
        weights = np.arange(36.0).reshape(2, 3, 3, 2)
        found = exact.convolution(x, weights, np.array([1.0, 2]), (1, 2), (1, 2), 1)
        self.assertEqual(found.shape, (1, 2, 1, 2))
        window = x[0, 1:4, 0:5:2]
        self.assertEqual(found[0, 1, 0, 1], (window * weights[1]).sum() + 2)

    def test_linear_resize(self):
        x = np.array([0.0, 4]).reshape(1, 2)
        for options, expected in (((False, True), [0, 1, 3, 4]), ((False, False), [0, 2, 4, 4]),
                                  ((True, False), [0, 4 / 3, 8 / 3, 4])):
            np.testing.assert_allclose(exact.linear_resize(x, 1, 4, *options)[0], expected)

    def test_a_model_of_each_onnx_operator_agrees_with_the_peer(self):
        def constant(name, *shape):
            value = inputs.random(shape, len(name), 0.1 if len(shape) == 1 else -1, 1)
            return onnx.numpy_helper.from_array(value, name)
        nodes = [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[2, 1], pads=[1, 0, 0, 1]),
            helper.make_node("BatchNormalization", ["c", "b", "b", "b", "b"], ["n"]),
            helper.make_node("HardSigmoid", ["n"], ["h"]),
            helper.make_node("Mul", ["n", "h"], ["m"]),
            helper.make_node("Conv", ["m", "depthwise"], ["d"], group=4),
            helper.make_node("ConvTranspose", ["d", "up"], ["u"], strides=[2, 2]),
            helper.make_node("Relu", ["u"], ["r"]),
            helper.make_node("Resize", ["r", "", "scales"], ["z"], mode="nearest"),
            helper.make_node("Concat", ["z", "z"], ["k"], axis=1),
            helper.make_node("GlobalAveragePool", ["k"], ["g"]),
            helper.make_node("Flatten", ["g"], ["f"]),
            helper.make_node("Gemm", ["f", "matrix", "bias"], ["a"], transB=1, alpha=0.5),
            helper.make_node("Div", ["a", "bias"], ["q"]),
            helper.make_node("Clip", ["q", "", "top"], ["p"]),
            helper.make_node("Sigmoid", ["p"], ["s"]),
            helper.make_node("Add", ["s", "p"], ["y"])]
        scales = onnx.numpy_helper.from_array(f32(1, 1, 2, 3), "scales")
        top = onnx.numpy_helper.from_array(np.float32(8), "top")
        graph = helper.make_graph(
            nodes, "all", [helper.make_tensor_value_info("x", 1, [1, 3, 9, 8])],
            [helper.make_tensor_value_info("y", 1, [1, 5])],
            [constant("w", 4, 3, 3, 2), constant("b", 4), constant("depthwise", 4, 1, 2, 2),
             constant("up", 4, 3, 2, 2), constant("matrix", 5, 6), constant("bias", 5),
             scales, top])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                                  ir_version=8)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "all.onnx"
            onnx.save(model, str(path))
            feeds = {"x": inputs.random((1, 3, 9, 8), 1)}
            theirs = peers.OnnxRuntime(path).run(feeds)["y"]
            ours = exact.make(path).run(feeds)["y"]
        self.assertEqual(ours.dtype, np.float64)
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)
        self.assertGreater(np.ptp(ours), 0.01)


class Inputs(unittest.TestCase):
    def test_every_model_has_inputs(self):
        for name in parity.TABLE:
            self.assertTrue(callable(getattr(inputs, name, None)), name)

    def test_random_is_seeded(self):
        self.assertTrue(np.array_equal(inputs.random((4, 4), 3), inputs.random((4, 4), 3)))

    def test_mel_filters_have_peaks_in_order(self):
        filters = inputs.mel_filters(8, 513, 16000)
        peaks = filters.argmax(axis=1)
        self.assertTrue((np.diff(peaks) > 0).all())
        self.assertTrue((filters >= 0).all() and filters.max() <= 1)

    def test_silero_keeps_each_sides_state(self):
        steps = inputs.silero_steps("t", np.ones(2048, np.float32), 16000, 2)
        first = next(steps)
        self.assertEqual(first.feeds["input"].shape, (1, 576))
        self.assertEqual(first.feeds["input"][0, :64].max(), 0)
        first.after({"stateN": np.full((2, 1, 128), 2)}, {"stateN": np.full((2, 1, 128), 3)})
        second = next(steps)
        self.assertEqual(second.polder_feeds["state"][0, 0, 0], 2)
        self.assertEqual(second.feeds["state"][0, 0, 0], 3)
        self.assertEqual(second.feeds["input"].min(), 1)


class Weights(unittest.TestCase):
    def tensor(self, shape, scale, zero, dimension=0):
        tensor = peers.tflite.TensorT()
        tensor.shape = shape
        tensor.quantization = peers.tflite.QuantizationParametersT()
        tensor.quantization.scale = scale
        tensor.quantization.zeroPoint = zero
        tensor.quantization.quantizedDimension = dimension
        return tensor

    def test_one_scale(self):
        values = peers.dequantised_values(self.tensor([2, 2], [0.5], [1]),
                                          np.array([1, 3, -1, 0], np.int8))
        self.assertEqual(values.tolist(), [[0, 1], [-1, -0.5]])

    def test_scale_of_each_channel(self):
        values = peers.dequantised_values(self.tensor([1, 2], [0.5, 2], [], 1),
                                          np.array([4, 4], np.int8))
        self.assertEqual(values.tolist(), [[2, 8]])


class PolderCommand(unittest.TestCase):
    def run_program(self, text):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "polder"
            program.write_text(f"#!{sys.executable}\n{text}")
            program.chmod(0o755)
            side = peers.Polder(str(program), pathlib.Path(folder))
            return side.run("m.onnx", {"x": f32(1, 2)}, [], ["a/b:0", "other"])

    def test_inputs_and_outputs_are_files(self):
        found = self.run_program(
            "import sys, numpy as np\n"
            "folder = sys.argv[sys.argv.index('--output-dir') + 1]\n"
            "name, path = sys.argv[sys.argv.index('--input') + 1].split('=')\n"
            "np.save(folder + '/a_b_0.npy', np.load(path) * 2)\n")
        self.assertEqual(found["a/b:0"].tolist(), [2, 4])
        self.assertNotIn("other", found)

    def test_a_failure_is_a_refusal_with_its_reason(self):
        with self.assertRaisesRegex(peers.Refused, "ended with 1: operator Foo"):
            self.run_program("import sys\nsys.exit('operator Foo is not supported')")
