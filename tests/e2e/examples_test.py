#!/usr/bin/python3
"""The examples do what their text says.

    examples_test.py POLDER MODELS [TEST...]
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
MODELS = pathlib.Path(sys.argv[2]).resolve()
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@unittest.skipUnless((MODELS / "silero_vad_v5.onnx").exists() and
                     (MODELS / "speech_0870.wav").exists(), "models are not fetched")
class VoiceActivity(unittest.TestCase):
    def events(self, threads):
        with tempfile.TemporaryDirectory() as folder:
            pipeline = pathlib.Path(folder) / "pipeline.toml"
            text = (EXAMPLES / "voice-activity" / "pipeline.toml").read_text()
            pipeline.write_text(text.replace("../../models", str(MODELS)))
            done = subprocess.run([POLDER, "play", pipeline, "--out", folder, "--threads", threads,
                                   "--json"], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            nodes = {node["name"]: node for node in json.loads(done.stdout)["nodes"]}
            self.assertEqual(nodes["infer"]["passed_over"], 0)
            return (pathlib.Path(folder) / "events.jsonl").read_text()

    def test_speech_is_found_whatever_the_threads(self):
        text = self.events("1")
        self.assertEqual(self.events("2"), text)
        start, end = [json.loads(line) for line in text.splitlines()]
        self.assertEqual((start["event"], end["event"]), ("speech_start", "speech_end"))
        self.assertLess(start["t_s"], 0.5)  # somebody speaks all the time
        self.assertGreater(end["value"], 6)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
