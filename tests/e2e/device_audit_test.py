#!/usr/bin/python3
"""The audit log that a device keeps, with the real programs: a folder of segments of which the
first make room, read by every audit command; and what a worker leaves in it that crashes again and
again.

    device_audit_test.py POLDER POLDERD [TEST...]
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, POLDER, POLDERD  # noqa: E402
from small_releases import wav  # noqa: E402

FILL_BYTES = 400_000


class DeviceAudit(Device):
    def setUp(self):
        super().setUp()
        self.public = self.scratch / "device.pub.pem"
        self.public.write_text(json.loads(self.agent("identity", "create", "--json"))["public"])
        self.audit = self.device / "audit"

    def audit_of(self, command, path, *words, status=0):
        """What a command on audit logs prints: of one that is refused its error."""
        done = subprocess.run([POLDER, "audit", command, path, *map(str, words)], timeout=60,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.told = done.stderr
        return done.stderr if status else done.stdout

    def verify(self, path, *words, status=0):
        said = self.audit_of("verify", path, "--key", self.public, *words,
                             *([] if status else ["--json"]), status=status)
        return said if status else json.loads(said)

    def entries(self, path=None, *words):
        said = self.audit_of("show", path or self.audit, "--json", *words)
        return json.loads(said)["entries"]

    # --- Segments ---

    def fill(self, name):
        """Notes at the end of a segment, in the form that polderd writes."""
        path = self.audit / name
        sequence = path.read_bytes().count(b"\n")
        with path.open("a") as log:
            for number in range(sequence, sequence + FILL_BYTES // 1000):
                entry = {"act": "note", "actor": "polderd", "details": {}, "object": "x" * 900,
                         "sequence": number, "time": "2026-11-28T12:00:00Z"}
                log.write(json.dumps(entry, separators=(",", ":"), sort_keys=True) + "\n")

    def segments(self):
        """Of three more than one megabyte has room for, so that the first is gone."""
        self.configure(more="[audit]\nmegabytes = 1\n")
        for number in range(1, 5):
            self.release(f"1.{number}.0")
            self.install()
            name = "log" if number == 1 else f"log.{number}"
            if number < 4:
                self.fill(name)
        self.assertEqual(sorted(path.name for path in self.audit.glob("log*")
                                if path.suffix != ".checkpoints"), ["log.2", "log.3", "log.4"])

    def test_a_folder_of_segments(self):
        """Made once, for it takes its time."""
        self.segments()
        whole = self.scratch / "whole"
        shutil.copytree(self.audit, whole)
        for check in (self.check_whole, self.check_proofs, self.check_cut, self.check_interrupted):
            with self.subTest(check.__name__):
                check(whole)
            shutil.rmtree(self.audit)
            shutil.copytree(whole, self.audit)

    def keep(self, checkpoints, copy):
        """The first of a segment's checkpoints."""
        text, signature = checkpoints.read_bytes().split(b"\n\n")[:2]
        copy.write_bytes(text + b"\n\n" + signature + b"\n")

    def check_whole(self, _):
        report = self.verify(self.audit)
        self.assertEqual((report["first_segment"], report["last_segment"]), (2, 4))
        self.assertEqual(report["covered"], report["entries"])
        self.assertGreater(report["removed"]["size"], FILL_BYTES // 1000)
        # All of it, in its order, each entry with its segment.
        shown = self.entries()
        self.assertIn("not here: segment 1", self.told)
        self.assertEqual(len(shown), report["entries"])
        self.assertEqual(sorted({entry["log"] for entry in shown}), ["log.2", "log.3", "log.4"])
        third = self.entries(self.audit / "log.3")
        self.assertEqual([{**entry, "log": "log.3"} for entry in third],
                         [entry for entry in shown if entry["log"] == "log.3"])
        last = self.audit_of("show", self.audit, "--last", 2).splitlines()
        self.assertEqual((len(last), last[0]), (3, "log.4:"))
        self.assertEqual(self.entries(self.audit, "--last", 2), shown[-2:])
        # One of them is a log like any other.
        self.assertEqual(self.verify(self.audit / "log.3")["after"]["origin"],
                         "polderd/camera-17/2")
        self.audit_of("show", self.scratch, status=1)

    def check_proofs(self, _):
        kept = self.scratch / "kept"
        self.keep(self.audit / "log.3.checkpoints", kept)
        proof = self.scratch / "proof.json"
        said = self.audit_of("prove", self.audit, "--entry", 1, status=1)
        self.assertIn("log.2 to log.4", said)
        # The checkpoint says which.
        for words, key in ((("--entry", 1, "--checkpoint", kept), "entry"),
                           (("--since", kept), "older")):
            self.audit_of("prove", self.audit, *words, "--output", proof)
            proven = json.loads(self.audit_of("check-proof", proof, "--key", self.public,
                                              "--json"))
            self.assertEqual(proven["checkpoint"]["origin"], "polderd/camera-17/3")
            self.assertIn(key, proven)
        self.audit_of("prove", self.audit / "log.3", "--entry", 7, "--output", proof)
        # An earlier one, by the newest checkpoint or by one that was kept.
        for words, origin in (((), "polderd/camera-17/4"),
                              (("--checkpoint", kept), "polderd/camera-17/3")):
            self.audit_of("prove", self.audit, "--segment", 2, "--entry", 1, *words, "--output",
                          proof)
            proven = json.loads(self.audit_of("check-proof", proof, "--key", self.public,
                                              "--json"))
            self.assertEqual((proven["checkpoint"]["origin"], proven["within"]["origin"],
                              proven["entry"]["sequence"]),
                             (origin, "polderd/camera-17/2", 1))
        self.assertIn("by the checkpoint of polderd/camera-17/3", self.audit_of(
            "check-proof", proof, "--key", self.public))
        for words, says in ((("--segment", 1), "log is not here any more; here are segments 2 to "),
                            (("--segment", 4, "--checkpoint", kept), "log.4 came later"),
                            (("--segment", 2, "--since", kept), "--segment goes with --entry")):
            entry = () if "--since" in words else ("--entry", 1)
            self.assertIn(says, self.audit_of("prove", self.audit, *words, *entry, status=1))
        for path in self.audit.glob("log.3*"):
            path.unlink()
        said = self.audit_of("prove", self.audit, "--since", kept, status=1)
        self.assertIn("the checkpoint is of 'polderd/camera-17/3', which is not here", said)

    def check_cut(self, whole):
        newest = self.scratch / "newest"
        self.keep(whole / "log.4.checkpoints", newest)

        def cut(*names):
            shutil.rmtree(self.audit)
            shutil.copytree(whole, self.audit)
            for name in names:
                (self.audit / name).unlink()
                (self.audit / f"{name}.checkpoints").unlink()
        # In the middle, and at the end when a checkpoint was kept.
        cut("log.3")
        self.assertIn("log.4: it is not the segment that comes after log.2",
                      self.verify(self.audit, status=1))
        self.entries()
        self.assertIn("not here: segment 1\n", self.told)
        self.assertIn("not here: segment 3\n", self.told)
        cut("log.4")
        self.verify(self.audit)
        self.assertIn("truncated", self.verify(self.audit, "--checkpoint", newest, status=1))
        # More of the first: as if they had made room.
        cut("log.2", "log.3")
        self.assertEqual(self.verify(self.audit)["removed"]["origin"], "polderd/camera-17/3")
        self.entries()
        self.assertIn("not here: segments 1 to 3\n", self.told)
        cut("log.2", "log.3", "log.4")
        for command in ("show", "verify", "prove"):
            words = {"show": (), "verify": ("--key", self.public), "prove": ("--entry", 0)}
            self.assertIn("no audit log: 'log', 'log.2' ... expected",
                          self.audit_of(command, self.audit, *words[command], status=1))

    def check_interrupted(self, _):
        """Before its first entry."""
        entries = self.verify(self.audit)["entries"]
        for torn in (b"", b'{"act":"log_cre'):
            (self.audit / "log.5").write_bytes(torn)
            (self.audit / "log.5.checkpoints").write_bytes(b"")
            report = self.verify(self.audit)
            self.assertEqual((report["last_segment"], report["entries"], report["torn_bytes"]),
                             (4, entries, len(torn)))
            self.assertEqual(len(self.entries()), entries)
        # Of one that was signed the entries were dropped.
        (self.audit / "log.5.checkpoints").write_bytes(
            (self.audit / "log.4.checkpoints").read_bytes())
        self.assertIn("log.5", self.verify(self.audit, status=1))
        (self.audit / "log.5.checkpoints").write_bytes(b"")
        self.release("2.0.0")
        self.install()
        self.assertEqual(self.verify(self.audit)["last_segment"], 5)


    # --- Crash loops ---

    def acts(self, release):
        return [entry["act"] for entry in self.entries()
                if f"{MODEL} {release}" in entry["object"]]

    def test_a_crash_loop_in_a_trial_is_one_entry(self):
        toml = self.scratch / "polderd.toml"
        toml.write_text(toml.read_text().replace("crashes = 2", "crashes = 3"))
        self.release("1.0.0")
        self.install()
        for version in ("2.0.0", "2.0.1"):
            self.release(version, broken="broken.wav")
            report = self.install(status=1)
            self.assertIn("crash loop", report["bad"][-1]["reason"])
            self.assertEqual(self.running(), "1.0.0")
            self.assertEqual(self.acts(version),
                             ["update_installed", "worker_failed", "update_rolled_back"])
        # Seen again, it is refused, and nothing runs in a loop.
        self.install(status=1)
        self.assertEqual(self.acts("2.0.1")[3:], ["release_refused"])
        report = self.verify(self.audit)
        self.assertEqual(report["covered"], report["entries"])

    def test_a_committed_worker_that_crashes_on_and_on_is_one_entry(self):
        sound = self.scratch / "own.wav"
        sound.write_bytes(wav([0] * 16000))
        self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{sound}"\n')
        self.release("1.0.0")
        self.install()
        sound.write_bytes(b"no sound")
        for loops in (1, 2):
            running = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                       stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            self.addCleanup(running.wait)
            self.addCleanup(running.kill)
            crashes = 0
            for line in running.stderr:
                crashes += "(start " in line
                if crashes == 2:
                    break
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=60)
            self.assertEqual(self.acts("1.0.0").count("worker_failed"), loops)
        self.assertNotIn("update_rolled_back", self.acts("1.0.0"))
        report = self.verify(self.audit)
        self.assertEqual(report["covered"], report["entries"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
