#!/usr/bin/python3
"""Seals files for devices, opens them with the right and the wrong keys, and damages them.

    seal_test.py POLDER [TEST...]
"""
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
SEGMENT = 65536 + 16


class Seal(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        (self.scratch / "devices").mkdir()
        for name, place in [("releaser", "."), ("one", "devices"), ("two", "devices"),
                            ("stranger", ".")]:
            self.polder("keys", "create", "--output", f"{name}.pem", "--type", "p256",
                        "--no-passphrase")
            self.polder("keys", "public", f"{name}.pem", "--output", f"{place}/{name}.pub.pem")
        self.plain = random.Random(1).randbytes(200_000)
        (self.scratch / "plan").write_bytes(self.plain)
        self.polder("seal", "plan", "--to", "devices", "--to", "releaser.pub.pem", "--output",
                    "plan.sealed")

    def run_polder(self, *arguments):
        return subprocess.run([POLDER, *map(str, arguments)], cwd=self.scratch, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)

    def polder(self, *arguments):
        done = self.run_polder(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def unseal(self, key, sealed="plan.sealed"):
        return self.run_polder("unseal", sealed, "--key", f"{key}.pem", "--output", "out")

    def expect_opens(self, key):
        done = self.unseal(key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.scratch / "out").read_bytes(), self.plain)
        (self.scratch / "out").unlink()

    def expect_refused(self, key, says):
        done = self.unseal(key)
        self.assertEqual(done.returncode, 1)
        self.assertIn(says, done.stderr)
        self.assertFalse((self.scratch / "out").exists())

    def test_opens_for_its_devices_alone(self):
        for key in ("one", "two", "releaser"):
            self.expect_opens(key)
        self.expect_refused("stranger", "not sealed for this key")
        sealed = (self.scratch / "plan.sealed").read_bytes()
        self.assertEqual(len(sealed), 64 + len(self.plain) + 4 * 16)
        self.assertNotIn(self.plain[:32], sealed)

    def test_a_recipient_is_added_and_the_file_stays(self):
        before = hashlib.sha256((self.scratch / "plan.sealed").read_bytes()).digest()
        self.polder("keys", "public", "stranger.pem", "--output", "stranger.pub.pem")
        done = json.loads(self.polder("seal", "plan.sealed", "--add-recipient", "stranger.pub.pem",
                                      "--key", "releaser.pem", "--json"))
        self.assertEqual(done["recipients"], 4)
        after = hashlib.sha256((self.scratch / "plan.sealed").read_bytes()).digest()
        self.assertEqual(before, after)
        for key in ("stranger", "one"):
            self.expect_opens(key)

    def test_what_was_unsealed_is_not_written_over(self):
        (self.scratch / "out").write_text("mine")
        done = self.unseal("one")
        self.assertEqual((done.returncode, (self.scratch / "out").read_text()), (1, "mine"))
        self.assertIn("out: is there already", done.stderr)
        (self.scratch / "out").unlink()
        self.expect_refused_of("plan", "plan: no sealed file")
        sealed = json.loads(self.polder("seal", "plan", "--to", "devices", "--output", "again",
                                        "--json"))
        self.assertIn(f"file id {sealed['file_id']}", self.polder(
            "seal", "again", "--add-recipient", "releaser.pub.pem", "--key", "devices/../one.pem"))

    def expect_refused_of(self, sealed, says):
        done = self.unseal("one", sealed)
        self.assertEqual(done.returncode, 1)
        self.assertIn(says, done.stderr)

    def test_what_is_read_is_not_written_over(self):
        key = (self.scratch / "one.pem").read_bytes()
        for words in (("seal", "plan", "--to", "devices", "--output", "plan"),
                      ("unseal", "plan.sealed", "--key", "one.pem", "--output", "one.pem"),
                      ("unseal", "plan.sealed", "--key", "one.pem", "--output", "plan.sealed.keys"),
                      ("unseal", "plan.sealed", "--key", "one.pem", "--output", "./plan.sealed")):
            done = self.run_polder(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{words[-1]}: that is ", done.stderr)
        self.assertEqual((self.scratch / "plan").read_bytes(), self.plain)
        self.assertEqual((self.scratch / "one.pem").read_bytes(), key)
        self.assertFalse((self.scratch / "plan.keys").exists())
        self.expect_opens("one")

    def test_what_is_sealed_is_not_sealed_over(self):
        sealed, keys = self.scratch / "plan.sealed", self.scratch / "plan.sealed.keys"
        before = sealed.read_bytes(), keys.read_bytes()
        words = ("seal", "plan", "--to", "devices", "--output", "plan.sealed")
        done = self.run_polder(*words)
        self.assertEqual(done.returncode, 1)
        self.assertIn("plan.sealed: is there already", done.stderr)
        self.assertIn("--add-recipient", done.stderr)
        self.assertEqual((sealed.read_bytes(), keys.read_bytes()), before)
        self.expect_opens("releaser")
        # Nor are keys whose file is gone.
        sealed.unlink()
        self.assertIn("plan.sealed.keys: is there already", self.run_polder(*words).stderr)
        self.assertEqual(keys.read_bytes(), before[1])
        self.assertFalse(sealed.exists())

    def test_damage_is_named(self):
        path = self.scratch / "plan.sealed"
        good = path.read_bytes()
        segments = [good[64 + i * SEGMENT:64 + (i + 1) * SEGMENT] for i in range(4)]
        for changed, says in [
                (good[:100_000] + bytes([good[100_000] ^ 4]) + good[100_001:], "segment 1"),
                (good[:64] + segments[1] + segments[0] + b"".join(segments[2:]), "segment 0"),
                (good[:-1], "truncated"), (good + b"x", "extended"), (good[:40], "no sealed file"),
                (b"", "no sealed file"), (b"POLDPLAN" + good[8:], "no sealed file"),
                (good[:16] + b"\xff" * 8 + good[24:], "at most"),
                (good[:32] + bytes(32) + good[64:], "another sealed file")]:
            path.write_bytes(changed)
            self.expect_refused("one", says)
        path.write_bytes(good)
        self.polder("seal", "plan", "--to", "devices", "--output", "other.sealed")
        (self.scratch / "plan.sealed.keys").write_bytes(
            (self.scratch / "other.sealed.keys").read_bytes())
        self.expect_refused("one", "another sealed file")
        (self.scratch / "plan.sealed.keys").write_bytes(b"POLDKEYS" + bytes(100))
        self.expect_refused("one", "format 0")
        (self.scratch / "plan.sealed.keys").unlink()
        self.expect_refused("one", "plan.sealed.keys")

    def test_bad_input_says_what_to_do(self):
        def refused(says, *arguments):
            done = self.run_polder(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn(says, done.stderr)
            self.assertFalse((self.scratch / "x").exists())
        self.polder("keys", "create", "--output", "ed.pem", "--no-passphrase", "--type", "ed25519")
        self.polder("keys", "public", "ed.pem", "--output", "ed.pub.pem")
        refused("P-256", "seal", "plan", "--to", "ed.pub.pem", "--output", "x")
        refused("--to", "seal", "plan", "--output", "x")
        (self.scratch / "empty").mkdir()
        refused("no *.pem", "seal", "plan", "--to", "empty", "--output", "x")
        refused("not/there", "seal", "plan", "--to", "not/there", "--output", "x")
        refused("--key", "unseal", "plan.sealed", "--output", "x")
        refused("leave out --to", "seal", "plan.sealed", "--add-recipient", "ed.pub.pem", "--key",
                "one.pem", "--to", "devices")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
