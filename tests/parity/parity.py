#!/usr/bin/env python3
"""Runs models in Polder and in the runtime that users know, and compares what comes out.

    scripts/parity [--only NAME]... [--list] [--json] [--polder PROGRAM] [--self-test]

Each model gets seeded random input and real input (pictures, video, speech, the suites' own
features). A row of the table is one output over all its samples; it passes when
max|a-b| <= 1e-4 * max|b| in every sample, where b is the peer's.

Where a sample differs by more, the model is computed again in double precision (exact.py) and the
same limit is held to that exact result: the sample passes if Polder is within 1e-4 of it, or no
farther from it than the peer is. Such rows end in both distances, as ratios to the largest exact
value. A model with an operator that exact.py does not know fails.

Exit status: 0 all passed, 1 something failed or a model is missing, 2 usage.

Models come from models/ (scripts/fetch-models, scripts/export-models), MLPerf Tiny's and its
data from $POLDER_DATA or ../shared/data; where that folder is absent a line says what was left
out.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "models"
DATA = pathlib.Path(os.environ.get("POLDER_DATA", ROOT.parent / "shared" / "data"))
TINY = DATA / "mlperf-tiny" / "models"
LIMIT = 1e-4
LITERT, ONNXRUNTIME = "litert", "onnxruntime"


@dataclasses.dataclass(frozen=True)
class Model:
    path: pathlib.Path
    peer: str
    about: str


# The name is that of the function in inputs.py that makes the model's samples.
TABLE = {
    "ssd_mobilenet_v2": Model(MODELS / "ssd_mobilenet_v2.tflite", LITERT, "f16 weights"),
    "pose_landmark_lite": Model(MODELS / "pose_landmark_lite.tflite", LITERT, "pose"),
    "silero_vad_v5": Model(MODELS / "silero_vad_v5.onnx", ONNXRUNTIME,
                           "LSTM and If; state carried from step to step"),
    "ppocr_v4_det": Model(MODELS / "ch_PP-OCRv4_det_infer.onnx", ONNXRUNTIME,
                          "free height and width"),
    "mobilenet_v2": Model(MODELS / "bench" / "mobilenet_v2.onnx", ONNXRUNTIME, "torchvision"),
    "resnet18": Model(MODELS / "bench" / "resnet18.onnx", ONNXRUNTIME, "torchvision"),
    "efficientnet_b0": Model(MODELS / "bench" / "efficientnet_b0.onnx", ONNXRUNTIME,
                             "torchvision"),
    "vww_f32": Model(TINY / "vww_f32.tflite", LITERT, "MLPerf Tiny"),
    "ic_f32": Model(TINY / "ic_f32.tflite", LITERT, "MLPerf Tiny"),
    "ad_f32": Model(TINY / "ad_f32.tflite", LITERT, "MLPerf Tiny"),
    "kws_f32": Model(TINY / "kws_f32.tflite", LITERT,
                     "MLPerf Tiny; int8 weights, the peer's dequantised beforehand"),
}


def worst_difference(ours, theirs):
    """max|a-b| and max|b| of two arrays; an infinite difference where they cannot be compared."""
    import numpy as np
    if ours is None or ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf, float(np.max(np.abs(theirs), initial=0))
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0, np.abs(ours - theirs))
    difference[np.isnan(difference)] = np.inf
    finite = np.abs(theirs[np.isfinite(theirs)])
    return float(np.max(difference, initial=0)), float(np.max(finite, initial=0))


def ratio_of(difference, scale):
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else float("inf")


class Exact:
    """A model's outputs in double precision, computed when one of a sample's rows asks for them."""

    def __init__(self, path):
        self.path, self.model = path, None
        self.feeds = self.outputs = None

    def next_sample(self, feeds):
        self.feeds, self.outputs = feeds, None

    def output(self, name):
        import exact
        if self.outputs is None:
            self.model = self.model or exact.make(self.path)
            self.outputs = self.model.run(self.feeds)
        return self.outputs[name]


class Row:
    """One output of one model on one kind of input: the worst of its samples."""

    def __init__(self, model, kind, output):
        self.model, self.kind, self.output = model, kind, output
        self.samples, self.difference, self.scale, self.ratio = 0, 0.0, 0.0, -1.0
        self.distances = None  # Polder's and the peer's from the exact result, of the worst sample
        self.failed = False
        self.note = ""

    def add(self, ours, theirs, exact=None):
        """`exact()` gives the output in double precision, or raises peers.Refused."""
        self.samples += 1
        difference, scale = worst_difference(ours, theirs)
        if ours is None:
            self.note = "Polder gave no such output"
        elif ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            self.note = (f"{theirs.dtype}{list(theirs.shape)} expected, "
                         f"Polder gave {ours.dtype}{list(ours.shape)}")
        ratio = ratio_of(difference, scale)
        if (ratio, scale) > (self.ratio, self.scale):
            self.difference, self.scale, self.ratio = difference, scale, ratio
        if ratio > LIMIT and not self.exact_enough(ours, theirs, exact):
            self.failed = True

    def exact_enough(self, ours, theirs, exact):
        import numpy as np
        import peers
        if self.note or exact is None:
            return False
        try:
            reference = exact()
        except peers.Refused as refusal:
            self.note = str(refusal)
            return False
        if reference.shape != theirs.shape or not np.isfinite(reference).all():
            self.note = "the exact result has another shape or is not finite"
            return False
        own, peer = (ratio_of(*worst_difference(side.astype(np.float64), reference))
                     for side in (ours, theirs))
        if self.distances is None or own > self.distances[0]:
            self.distances = own, peer
        return np.isfinite(own) and own <= max(LIMIT, peer)

    @property
    def ok(self):
        return self.samples > 0 and not self.failed

    def cells(self):
        distances = [f"{d:.2e}" for d in self.distances or ()] or ["", ""]
        return (self.model, f"{self.kind} ({self.samples})", self.output,
                f"{self.difference:.3g}", f"{self.scale:.3g}", f"{self.ratio:.2e}",
                f"{LIMIT:g}", "ok" if self.ok else "FAIL", *distances, self.note)

    def as_json(self):
        own, peer = self.distances or (None, None)
        return {"model": self.model, "input": self.kind, "samples": self.samples,
                "output": self.output, "max_difference": self.difference,
                "max_peer": self.scale, "ratio": self.ratio, "limit": LIMIT,
                "polder_to_exact": own, "peer_to_exact": peer, "ok": self.ok, "note": self.note}


class TopOne:
    """Correct answers of 1,000: within 2 of the peer's."""

    MARGIN = 2

    def __init__(self, model, ours, theirs, total):
        self.model, self.ours, self.theirs, self.total = model, ours, theirs, total
        self.ok = abs(ours - theirs) <= self.MARGIN

    def cells(self):
        return (self.model, f"kws01 ({self.total})", "top-1", f"{self.ours} right",
                f"{self.theirs} right", str(abs(self.ours - self.theirs)), str(self.MARGIN),
                "ok" if self.ok else "FAIL", "", "", "the peer as users run it, with int8 weights")

    def as_json(self):
        return {"model": self.model, "input": "kws01", "samples": self.total, "output": "top-1",
                "correct": self.ours, "peer_correct": self.theirs, "limit": self.MARGIN,
                "ok": self.ok}


class Broken:
    """A model that Polder or its peer refused."""

    ok = False

    def __init__(self, model, reason):
        self.model, self.reason = model, reason

    def cells(self):
        return self.model, "-", "-", "-", "-", "-", "-", "FAIL", "", "", self.reason

    def as_json(self):
        return {"model": self.model, "ok": False, "note": self.reason}


def compare(name, model, polder, progress):
    """The rows of one model."""
    import inputs
    import peers
    rows = {}
    samples = getattr(inputs, name)(MODELS, DATA)
    peer = peers.make(model.peer, model.path)
    exact = Exact(model.path)
    for number, sample in enumerate(samples, 1):
        progress(f"{name}: sample {number}")
        theirs = peer.run(sample.feeds)
        ours = polder.run(model.path, sample.polder_feeds or sample.feeds, sample.arguments,
                          list(theirs))
        exact.next_sample(sample.feeds)
        for output, value in theirs.items():
            key = sample.kind, output
            row = rows.setdefault(key, Row(name, sample.kind, output))
            row.add(ours.get(output), value, lambda output=output: exact.output(output))
        if sample.after:
            sample.after(ours, theirs)
    rows = list(rows.values())
    if name == "kws_f32":
        rows.append(top_one(name, model, polder, progress))
    return rows


def top_one(name, model, polder, progress):
    import inputs
    import numpy as np
    import peers
    features, labels = inputs.kws01(DATA)
    peer = peers.LiteRt(model.path)
    ours = theirs = 0
    for i, (feature, label) in enumerate(zip(features, labels)):
        if i % 50 == 0:
            progress(f"{name}: top-1, {i} of {len(labels)}")
        feeds = {peer.input_names[0]: feature[np.newaxis]}
        expected = peer.run(feeds)
        found = polder.run(model.path, feeds, [], list(expected))
        (output, value), = expected.items()
        theirs += int(np.argmax(value) == label)
        ours += int(np.argmax(found[output]) == label)
    return TopOne(name, ours, theirs, len(labels))


def print_table(rows):
    header = ("model", "input (samples)", "output", "max|a-b|", "max|b|", "ratio", "limit", "",
              "polder-exact", "peer-exact", "")
    cells = [header] + [row.cells() for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def make_progress():
    """Prints a line that the next one overwrites; nothing when nobody watches."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/parity", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(TABLE), metavar="NAME",
                        help="this model alone; may be repeated")
    parser.add_argument("--list", action="store_true", help="the models, and which are here")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.add_argument("--polder", default=str(ROOT / "build" / "release" / "polder"),
                        help="the program (default: build/release/polder)")
    parser.add_argument("--self-test", action="store_true",
                        help="test this comparison itself, on numbers made for it")
    return parser.parse_args(arguments)


def list_models():
    for name, model in TABLE.items():
        state = "here" if model.path.exists() else "absent"
        print(f"{name:20}{state:8}{model.peer:13}{model.about}")


def main(arguments):
    options = parse(arguments)
    if options.list:
        list_models()
        return 0
    if options.self_test:
        suite = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent),
                                                    pattern="*_test.py")
        return 0 if unittest.TextTestRunner().run(suite).wasSuccessful() else 1
    if not pathlib.Path(options.polder).exists():
        sys.exit(f"parity: {options.polder} is missing: "
                 "run cmake --preset release && cmake --build --preset release")
    names = options.only or list(TABLE)
    left_out = [n for n in names if TABLE[n].path.is_relative_to(DATA) and not DATA.is_dir()]
    if left_out:
        print(f"parity: left out, for {DATA} is absent: {', '.join(left_out)}", file=sys.stderr)
    return run([n for n in names if n not in left_out], options)


def run(names, options):
    import peers
    progress = make_progress()
    rows = []
    with tempfile.TemporaryDirectory(prefix="polder-parity-") as scratch:
        polder = peers.Polder(options.polder, pathlib.Path(scratch))
        for name in names:
            try:
                if not TABLE[name].path.exists():
                    raise peers.Refused(f"{TABLE[name].path} is missing")
                rows += compare(name, TABLE[name], polder, progress)
            except (peers.Refused, OSError) as refusal:  # OSError: an input file is missing
                rows.append(Broken(name, str(refusal)))
    progress("")
    passed = sum(row.ok for row in rows)
    if options.json:
        print(json.dumps({"peers": peers.versions(), "passed": passed,
                          "failed": len(rows) - passed, "rows": [r.as_json() for r in rows]}))
    else:
        print_table(rows)
        print(f"peers: {', '.join(f'{k} {v}' for k, v in peers.versions().items())}")
        print(f"{passed} passed, {len(rows) - passed} failed")
    return 0 if passed == len(rows) and rows else 1


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    sys.exit(main(sys.argv[1:]))
