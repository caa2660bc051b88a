#!/usr/bin/python3
"""A device that refuses what a rollout brings: the rollout says so, with its words. The real
programs.

    hub_refusal_test.py POLDER_HUB POLDERD POLDER
"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import fleets  # noqa: E402

WHY = "has no pipeline, and voice 1.0.0 runs one"


class Refusal(fleets.Fleet):
    def release_without_pipeline(self, version):
        manifest = json.loads(self.maker.manifest(version))
        gone = manifest.pop("pipeline")
        manifest["blobs"] = [blob for blob in manifest["blobs"] if blob["sha256"] not in
                             [gone["blob"], *gone["files"].values()]]
        path = self.scratch / "manifest.json"
        path.write_text(json.dumps(manifest))
        self.polder("repo", "add", self.repo, path, "--target",
                    f"{fleets.MODEL}/{version}/manifest.json", "--key", self.targets_key)
        self.push()

    @staticmethod
    def device_says(device, command):
        done = subprocess.run([fleets.POLDERD, command, "--config", device.config],
                              capture_output=True, text=True, timeout=100)
        return done.stdout + done.stderr

    def test_a_rollout_that_all_devices_refuse_says_so(self):
        self.release("1.0.0")
        self.device("cam-1")
        self.roll_out("1.0.0")
        self.all_run("1.0.0")
        self.rolled_out()
        self.release_without_pipeline("1.1.0")
        self.polder("rollout", "create", fleets.MODEL, "1.1.0", "--stages", "1, 100%",
                    "--look-s", "1", "--history-looks", "0", "--measures", "none", person="olga")
        told = f"1 of 1 devices that were told refused it: {WHY}"
        shown = self.wait_for("the refusal is told", lambda: (
            lambda text: text if told in text else "")(
                self.polder("rollout", "show", "r2", person="olga")))
        self.assertRegex(shown, rf"\ngate     hold as of \S+ \(next look \S+\); {re.escape(told)}")
        self.assertIn(". Abort it, or let devices join that can take it", shown)
        self.assertIn("cam-1: it refuses the release", shown)
        self.assertIn(told, self.polder("rollout", "list", person="olga"))
        self.all_run("1.0.0")
        # The hub has taken it back from who refused it: there it is still told, after a new start.
        device = self.devices[0]
        gone = f"refused: voice 1.1.0: {WHY}"
        for _ in range(2):
            said = self.wait_for("the device remembers", lambda: (
                lambda text: text if "it is not offered any more" in text else "")(
                    self.device_says(device, "status")))
            self.assertRegex(said, rf"{gone}.* \(\d{{4}}-.*Z; it is not offered any more\)")
            self.assertIn(gone, self.device_says(device, "doctor"))
            device.kill()
            device.run()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
