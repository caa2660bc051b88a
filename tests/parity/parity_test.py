"""Tests of the comparison itself: it must not pass what it should fail."""
import pathlib
import sys
import tempfile
import unittest

import numpy as np

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
