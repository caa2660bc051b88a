#!/usr/bin/python3
"""Keeps an audit log as an operator does, tampers with it in every way that a file allows, and
checks proofs with nothing but the public key.

    audit_test.py POLDER [TEST...]
"""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from onnx_bytes import onnx_input, onnx_model, onnx_node, onnx_output

POLDER = pathlib.Path(sys.argv[1]).resolve()


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def root_of(leaves):
    """RFC 6962, section 2.1, as it stands there."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


class Audit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        for name in ("audit", "thief"):
            self.make_key(name)
        self.add("key ceremony", "--origin", "example.com/releases")
        self.add("people 1.0", "--act", "release_signed", "--detail", "sha256=0123")
        self.checkpoint("kept")
        self.add("people 1.1", "--act", "release_signed")
        self.add("root", "--act", "root_rotated")

    def run_polder(self, *arguments, environment=None):
        return subprocess.run([POLDER, *map(str, arguments)], cwd=self.scratch, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **(environment or {})})

    def polder(self, *arguments):
        done = self.run_polder(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, *arguments):
        done = self.run_polder(*arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def add(self, what, *arguments):
        self.polder("audit", "add", "audit.log", "--actor", "anna", "--object", what, *arguments)

    def checkpoint(self, output):
        return self.polder("audit", "checkpoint", "audit.log", "--key", "audit.pem", "--output",
                           output)

    def entries(self):
        return json.loads(self.polder("audit", "show", "audit.log", "--json"))["entries"]

    def act(self, *arguments, status=0, **options):
        """What a command puts on record: the acts, and the entries. Of one that is refused, too."""
        before = len(self.entries())
        done = self.run_polder(*arguments, "--audit-log", "audit.log", **options)
        self.assertEqual(done.returncode, status, done.stderr)
        new = self.entries()[before:]
        return [entry["act"] for entry in new], new

    def make_key(self, name, *arguments):
        self.polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase", *arguments)
        self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        return "key:" + json.loads(self.polder("keys", "show", f"{name}.pub.pem",
                                               "--json"))["keyid"]

    def make_repository(self, *arguments):
        return self.act("repo", "init", "repo", "--root-key", "r.pub.pem", "--root-threshold", "1",
                        "--targets-key", "t.pub.pem", "--timestamp-key", "online.pub.pem",
                        *arguments)

    def verify(self, *arguments):
        return ("audit", "verify", "audit.log", "--key", "audit.pub.pem", *arguments)

    def test_a_log_is_verified(self):
        report = json.loads(self.polder(*self.verify("--json")))
        self.assertEqual((report["entries"], report["covered"]), (5, 3))
        self.checkpoint("newer")
        report = json.loads(self.polder(*self.verify("--checkpoint", "kept", "--json")))
        self.assertEqual((report["entries"], report["covered"], report["checkpoints"]), (5, 5, 3))
        lines = (self.scratch / "audit.log").read_bytes().splitlines()
        self.assertEqual(root_of([leaf_hash(line) for line in lines]).hex(), report["root"])
        note = (self.scratch / "newer").read_text().splitlines()
        self.assertEqual(note[:2], ["example.com/releases", "5"])
        self.assertEqual(base64.b64decode(note[2]).hex(), report["root"])
        shown = json.loads(self.polder("audit", "show", "audit.log", "--json"))["entries"]
        self.assertEqual([entry["act"] for entry in shown],
                         ["log_created", "note", "release_signed", "release_signed",
                          "root_rotated"])
        self.assertIn("root_rotated", self.polder("audit", "show", "audit.log", "--last", "1"))

    def test_every_byte_and_line_counts(self):
        self.checkpoint("newer")
        log = self.scratch / "audit.log"
        good = log.read_bytes()
        lines = good.splitlines(keepends=True)
        changes = [good[:i] + bytes([good[i] ^ 1]) + good[i + 1:] for i in range(0, len(good), 23)]
        changes += [b"".join(lines[:i] + lines[i + 1:]) for i in range(len(lines))]
        changes += [b"".join(lines[:i] + [lines[i]] + lines[i:]) for i in range(len(lines))]
        changes += [b"".join([lines[1], lines[0]] + lines[2:]), good[:-1], b""]
        for changed in changes:
            log.write_bytes(changed)
            self.refused(*self.verify())
        log.write_bytes(good.replace(b"people 1.1", b"people 1.7"))
        self.assertIn("entries 3 to 4", self.refused(*self.verify()))
        self.assertIn("changed", self.refused("audit", "add", "audit.log", "--actor", "a",
                                              "--object", "x"))
        log.write_bytes(good)
        self.polder(*self.verify())

    def test_a_checkpoint_elsewhere_catches_the_holder_of_the_key(self):
        log, beside = self.scratch / "audit.log", self.scratch / "audit.log.checkpoints"
        log.write_bytes(log.read_bytes().replace(b"people 1.0", b"people 9.0"))
        beside.unlink()
        self.assertIn("no checkpoint", self.refused(*self.verify()))
        self.checkpoint("forged")
        self.polder(*self.verify())
        self.assertIn("entries 0 to 2", self.refused(*self.verify("--checkpoint", "kept")))
        self.refused("audit", "prove", "audit.log", "--since", "kept")

    def test_checkpoints_of_others_are_refused(self):
        beside = self.scratch / "audit.log.checkpoints"
        beside.unlink()
        self.polder("audit", "checkpoint", "audit.log", "--key", "thief.pem")
        self.assertIn("no signature", self.refused(*self.verify()))
        self.add("more")
        self.refused("audit", "checkpoint", "audit.log", "--key", "audit.pem")
        self.polder("audit", "checkpoint", "audit.log", "--key", "audit.pem", "--earlier",
                    "thief.pub.pem")
        self.polder(*self.verify("--key", "thief.pub.pem"))

    def test_a_power_cut_costs_what_was_being_written(self):
        log = self.scratch / "audit.log"
        log.write_bytes(log.read_bytes() + b'{"act":"note","act')
        self.assertIn("interrupted", self.polder(*self.verify()))
        done = self.run_polder("audit", "add", "audit.log", "--actor", "anna", "--object", "x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cut off 18 bytes", done.stderr)
        self.assertNotIn("interrupted", self.polder(*self.verify()))

    def test_proofs_need_the_public_key_alone(self):
        self.checkpoint("newer")
        self.polder("audit", "prove", "audit.log", "--entry", "3", "--output", "proof.json")
        self.polder("audit", "prove", "audit.log", "--since", "kept", "--output", "growth.json")
        self.refused("audit", "prove", "audit.log", "--entry", "3", "--checkpoint", "kept")
        self.refused("audit", "prove", "audit.log", "--entry", "5")
        for name in ("audit.log", "audit.log.checkpoints"):
            (self.scratch / name).unlink()
        check = ("audit", "check-proof", "proof.json", "--key", "audit.pub.pem")
        proven = json.loads(self.polder(*check, "--checkpoint", "newer", "--json"))
        self.assertEqual(proven["entry"]["object"], "people 1.1")
        self.refused(*check, "--checkpoint", "kept")
        self.refused("audit", "check-proof", "proof.json", "--key", "thief.pub.pem")
        grown = json.loads(self.polder("audit", "check-proof", "growth.json", "--key",
                                       "audit.pub.pem", "--json"))
        self.assertEqual((grown["older"]["size"], grown["checkpoint"]["size"]), (3, 5))
        proof = self.scratch / "proof.json"
        proof.write_text(proof.read_text().replace("people 1.1", "people 1.2"))
        self.assertIn("does not lead", self.refused(*check))

    def test_what_a_workbench_does_is_on_record(self):
        """Each act with its keys and digests; and none without the log that is named."""
        act = self.act
        acts, new = act("keys", "create", "--output", "r.pem", "--no-passphrase")
        self.assertEqual(acts, ["key_created"])
        ids = {}
        for name in ("r", "t", "online"):
            if name != "r":
                act("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
            ids[name] = "key:" + json.loads(self.polder("keys", "show", f"{name}.pub.pem",
                                                        "--json"))["keyid"]
        self.assertEqual(new[0]["actor"], ids["r"])
        acts, new = self.make_repository("--key", "r.pem")
        self.assertEqual(acts, ["repository_created", "role_signed"])
        self.assertEqual(new[1]["actor"], ids["r"])
        root = hashlib.sha256((self.scratch / "repo/staged/root.json").read_bytes()).hexdigest()
        self.assertEqual(new[1]["details"]["roles"], {"root": {"version": 1, "sha256": root}})
        self.assertEqual(act("repo", "sign", "repo", "--key", "t.pem")[0], ["role_signed"])
        acts, new = act("repo", "publish", "repo", "--key", "online.pem")
        self.assertEqual(acts, ["release_published"])
        timestamp = (self.scratch / "repo/metadata/timestamp.json").read_bytes()
        self.assertEqual(new[0]["details"]["timestamp_sha256"],
                         hashlib.sha256(timestamp).hexdigest())
        self.assertEqual(new[0]["details"]["versions"]["targets"], 1)
        acts, new = act("repo", "delegate", "repo", "assignments", "--role-key", "online.pub.pem",
                        "--path", "assignments/*", "--key", "t.pem", "--key", "online.pem")
        self.assertEqual(acts, ["role_delegated", "role_signed", "role_signed"])
        acts, new = act("repo", "floor", "repo", "people", "1.0.0", "--without-release")
        self.assertEqual((acts, new[0]["object"]), (["floor_raised"], "people 1.0.0"))
        acts, new = act("repo", "rotate", "repo", "root", "--add", "audit.pub.pem")
        self.assertEqual((acts, new[0]["object"]), (["root_rotated"], "root"))
        self.make_key("other")
        self.assertEqual(act("repo", "rotate", "repo", "timestamp", "snapshot", "--add",
                             "other.pub.pem")[0], ["role_rotated", "role_rotated"])
        self.make_key("p", "--type", "p256")
        (self.scratch / "model.onnx").write_bytes(b"model")
        acts, new = act("release", "sign", "model.onnx", "--key", "p.pem")
        signature = hashlib.sha256((self.scratch / "model.onnx.sig").read_bytes()).hexdigest()
        self.assertEqual((acts, new[0]["details"]["signature_sha256"]),
                         (["release_signed"], signature))
        acts, new = act("seal", "model.onnx", "--to", "p.pub.pem", "--output", "model.sealed")
        self.assertEqual((acts, new[0]["details"]["recipients"]), (["artifact_sealed"], 1))
        self.make_key("q", "--type", "p256")
        acts, new = act("seal", "model.sealed", "--add-recipient", "q.pub.pem", "--key", "p.pem")
        self.assertEqual((acts, new[0]["details"]["recipients"]), (["recipient_added"], 2))
        self.checkpoint("all")
        self.polder(*self.verify())

    def test_releases_of_a_repository_are_on_record(self):
        ids = {name: self.make_key(name) for name in ("r", "t", "online")}
        self.assertEqual(self.make_repository("--key", "r.pem", "--key", "t.pem")[0],
                         ["repository_created", "role_signed", "role_signed"])
        (self.scratch / "relu.onnx").write_bytes(onnx_model(
            onnx_node("Relu", ["x"], ["y"]), onnx_input("x", [1, 4]), onnx_output("y")))
        self.polder("compile", "relu.onnx", "-o", "relu.plan", "--target", "generic")
        (self.scratch / "release.toml").write_text(
            'model = "relu"\nversion = "1.0.0"\nlicence = "Apache-2.0"\n[[artifact]]\n'
            'name = "relu"\nfile = "relu.plan"\n[[golden]]\nname = "noise"\n'
            'artifact = "relu"\nseed = 7\n[card]\nsummary = "Bends."\n'
            'intended_use = "Tests."\nlimitations = "All."\n')
        acts, new = self.act("release", "create", "release.toml", "--make-goldens", "--output", "R")
        manifest = (self.scratch / "R/manifest.json").read_bytes()
        self.assertEqual((acts, new[0]["object"]), (["release_created"], "relu-1.0.0"))
        self.assertEqual(new[0]["details"]["manifest_sha256"],
                         hashlib.sha256(manifest).hexdigest())

        def signs(who, role, *arguments):
            """What it does is only staged; on record is who signs it."""
            self.assertEqual(self.act(*arguments)[0], [])
            acts, new = self.act("repo", "sign", "repo", "--key", f"{who}.pem")
            self.assertEqual((acts, new[0]["actor"], list(new[0]["details"]["roles"])),
                             (["role_signed"], ids[who], [role]))
            acts, new = self.act(*arguments, "--key", f"{who}.pem")
            self.assertEqual((acts, new[0]["actor"]), (["role_signed"], ids[who]))
        signs("t", "targets", "repo", "add", "repo", "R")
        self.polder("repo", "publish", "repo", "--key", "online.pem")
        signs("t", "targets", "repo", "renew", "repo", "targets")
        self.act("repo", "delegate", "repo", "assignments", "--role-key", "online.pub.pem",
                 "--path", "assignments/*", "--key", "t.pem", "--key", "online.pem")
        acts, new = self.act("repo", "assign", "repo", "default", "relu=1.0.0", "--key",
                             "online.pem")
        self.assertEqual(acts, ["release_assigned", "role_signed"])
        self.assertEqual((new[0]["object"], new[0]["details"]["releases"]),
                         ("default", ["relu=1.0.0"]))
        self.assertEqual(new[1]["actor"], ids["online"])
        self.polder("repo", "publish", "repo", "--key", "online.pem")
        acts, new = self.act("repo", "remove", "repo", "relu/1.0.0/manifest.json", "--force",
                             "--key", "t.pem")
        self.assertEqual((acts, new[0]["actor"]), (["role_signed"], ids["t"]))
        self.checkpoint("all")
        self.polder(*self.verify())

    def test_a_new_passphrase_is_on_record(self):
        key_id = self.make_key("k")
        change = ("keys", "passphrase", "k.pem")
        acts, new = self.act(*change, environment={"POLDER_NEW_PASSPHRASE": "long enough 1"})
        self.assertEqual((acts, new[0]["actor"], new[0]["object"], new[0]["details"]),
                         (["key_passphrase_changed"], key_id, "k.pem", {"encrypted": True}))
        self.assertEqual(self.act(*change, status=1, environment={
            "POLDER_PASSPHRASE": "wrong", "POLDER_NEW_PASSPHRASE": "long enough 2"})[0], [])

    def test_what_fails_is_not_on_record(self):
        for name in ("r", "t", "online"):
            self.make_key(name)
        self.make_repository("--key", "r.pem", "--key", "t.pem")
        self.polder("repo", "publish", "repo", "--key", "online.pem")
        self.polder("repo", "renew", "repo", "targets")
        (self.scratch / "release.toml").write_text('model = "x"\n')
        (self.scratch / "x").write_text("x")
        for arguments in (
                ("keys", "create", "--output", "r.pem", "--no-passphrase"),
                ("repo", "init", "repo", "--root-key", "r.pub.pem", "--root-threshold", "1",
                 "--targets-key", "t.pub.pem", "--timestamp-key", "online.pub.pem"),
                ("repo", "sign", "repo", "--key", "online.pem"),
                ("repo", "sign", "repo", "--key", "none.pem"),
                ("repo", "publish", "repo", "--key", "online.pem"),
                ("repo", "add", "repo", "none"),
                ("repo", "remove", "repo", "none"),
                ("repo", "renew", "repo", "none"),
                ("repo", "delegate", "repo", "root", "--role-key", "t.pub.pem", "--path", "*"),
                ("repo", "rotate", "repo", "root", "--remove", "00" * 32),
                ("repo", "floor", "repo", "people", "1.0.0"),
                ("repo", "assign", "repo", "default", "people=1.0.0"),
                ("release", "create", "release.toml", "--output", "R"),
                ("release", "sign", "none", "--key", "r.pem"),
                ("seal", "none", "--to", "t.pub.pem", "--output", "sealed"),
                ("seal", "none", "--add-recipient", "t.pub.pem", "--key", "r.pem")):
            with self.subTest(arguments):
                self.assertEqual(self.act(*arguments, status=1)[0], [])
        # Of several keys none has signed where one may not.
        acts, new = self.act("repo", "sign", "repo", "--key", "t.pem", "--key", "thief.pem",
                             status=1)
        self.assertEqual(acts, [])
        self.checkpoint("all")
        self.polder(*self.verify())

    def test_nothing_is_done_without_its_record(self):
        command = ("keys", "create", "--output", "new.pem", "--no-passphrase")
        self.assertIn("begins a log", self.refused(*command, "--audit-log", "none.log"))
        log = self.scratch / "audit.log"
        log.write_bytes(log.read_bytes().replace(b"people 1.0", b"people 9.0"))
        self.assertIn("not those that were signed", self.refused(*command, "--audit-log", log))
        self.assertIn("audit.log", self.refused("repo", "init", "repo", "--root-key",
                                                "audit.pub.pem", "--root-threshold", "1",
                                                "--targets-key", "audit.pub.pem",
                                                "--timestamp-key", "audit.pub.pem",
                                                "--audit-log", log))
        for name in ("new.pem", "none.log", "repo"):
            self.assertFalse((self.scratch / name).exists(), name)
        log.write_bytes(log.read_bytes().replace(b"people 9.0", b"people 1.0"))
        done = subprocess.run([POLDER, *command], cwd=self.scratch, stdin=subprocess.DEVNULL,
                              capture_output=True, env={**os.environ, "POLDER_AUDIT_LOG": log})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("key_created", self.polder("audit", "show", "audit.log"))

    def test_no_output_replaces_a_log(self):
        names = ("audit.log", "audit.log.checkpoints", "audit.pem", "thief.pem")
        (self.scratch / "copy.log").write_bytes((self.scratch / "audit.log").read_bytes())
        before = {name: (self.scratch / name).read_bytes() for name in (*names, "copy.log")}
        for output in before:
            self.assertIn("give the output another name", self.refused(
                "audit", "checkpoint", "audit.log", "--key", "audit.pem", "--output", output))
            self.assertIn("give the output another name", self.refused(
                "audit", "prove", "audit.log", "--entry", "0", "--output", output))
        self.assertEqual({name: (self.scratch / name).read_bytes() for name in before}, before)
        # A proof and a copy of a checkpoint are made again.
        for _ in range(2):
            self.polder("audit", "prove", "audit.log", "--entry", "0", "--output", "proof")
            self.checkpoint("later")

    def test_no_signature_replaces_a_model(self):
        self.make_key("p", "--type", "p256")
        for name in ("model.onnx", "other.onnx"):
            (self.scratch / name).write_bytes(b"a model")
        sign = ("release", "sign", "model.onnx", "--key", "p.pem", "--signature")
        for output in ("p.pem", "model.onnx", "audit.pem", "audit.log", "other.onnx"):
            self.assertIn("another name", self.refused(*sign, output))
        for name in ("model.onnx", "other.onnx"):
            self.assertEqual((self.scratch / name).read_bytes(), b"a model")
        for _ in range(2):  # a signature is made again
            self.polder(*sign, "model.sig")

    def test_bad_input_says_what_to_do(self):
        self.assertIn("release_signed", self.refused("audit", "add", "audit.log", "--actor", "a",
                                                     "--act", "relase_signed", "--object", "x"))
        self.assertIn("--origin", self.refused("audit", "add", "other.log", "--actor", "a",
                                               "--object", "x"))
        self.assertFalse((self.scratch / "other.log").exists())
        self.assertIn("--key", self.refused("audit", "verify", "audit.log"))
        self.refused("audit", "checkpoint", "other.log", "--key", "audit.pem")
        self.assertFalse((self.scratch / "other.log").exists())
        self.assertIn("--entry", self.refused("audit", "prove", "audit.log"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
