#!/usr/bin/env python3
"""Model signatures against their reference, PyPI's model-signing, and npm's @sigstore/verify.

    model_signing_test.py POLDER INTEROP [TEST...]

INTEROP is where scripts/fetch-interop has put them; runs in its Python.
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

POLDER, INTEROP = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
PEER = pathlib.Path(sys.executable).parent / "model_signing"
VERIFY_BUNDLE = pathlib.Path(__file__).resolve().parent / "verify_bundle.mjs"


class ModelSigning(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.model = self.folder / "model"
        for path, text in {"b/weights": "w", "b.txt": "text", "a": "", "é ü": "name",
                           ".gitignore": "*.o", ".github/x": "ignored"}.items():
            (self.model / path).parent.mkdir(parents=True, exist_ok=True)
            (self.model / path).write_text(text)
        for name in ("key", "other"):
            self.run_ok(POLDER, "keys", "create", "--type", "p256", "--output", f"{name}.pem",
                        "--no-passphrase")
            self.run_ok(POLDER, "keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")

    def run_(self, *words):
        return subprocess.run([*map(str, words)], cwd=self.folder, capture_output=True, text=True,
                              timeout=120)

    def run_ok(self, *words):
        done = self.run_(*words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def sign(self, by, model, signature):
        if by == "polder":
            self.run_ok(POLDER, "release", "sign", model, "--key", "key.pem", "--signature",
                        signature)
        else:
            self.run_ok(PEER, "sign", "key", model, "--signature", signature, "--private_key",
                        "key.pem")

    def verifiers(self, model, signature, key="key.pub.pem"):
        """Each verifier's name, and whether it accepts."""
        yield "polder", self.run_(POLDER, "release", "verify", model, "--signature", signature,
                                  "--public-key", key).returncode == 0
        yield "model-signing", self.run_(PEER, "verify", "key", model, "--signature", signature,
                                         "--public_key", key).returncode == 0

    def expect(self, accepted, model, signature, key="key.pub.pem"):
        for name, accepts in self.verifiers(model, signature, key):
            with self.subTest(verifier=name, model=str(model)):
                self.assertEqual(accepts, accepted)

    def sigstore(self, signature, key="key.pub.pem"):
        return self.run_("node", VERIFY_BUNDLE, INTEROP / "node", signature, key).returncode == 0

    def test_each_accepts_the_other(self):
        for by in ("polder", "model-signing"):
            for model, signature in ((self.model, self.model / "model.sig"),
                                     (self.model, self.folder / "beside.sig"),
                                     (self.model / "b.txt", self.folder / "file.sig")):
                with self.subTest(by=by, signature=signature.name):
                    (self.model / "model.sig").unlink(missing_ok=True)
                    self.sign(by, model, signature)
                    self.expect(True, model, signature)
                    self.expect(False, model, signature, "other.pub.pem")
                    self.assertTrue(self.sigstore(signature))
                    self.assertFalse(self.sigstore(signature, "other.pub.pem"))

    def test_each_refuses_what_was_changed(self):
        for by in ("polder", "model-signing"):
            signature = self.model / "model.sig"
            self.sign(by, self.model, signature)
            with self.subTest(by=by):
                (self.model / "b/weights").write_text("W")
                self.expect(False, self.model, signature)
                (self.model / "b/weights").write_text("w")
                (self.model / "b/added").write_text("")
                self.expect(False, self.model, signature)
                (self.model / "b/added").unlink()
                (self.model / "a").rename(self.model / "z")
                self.expect(False, self.model, signature)
                (self.model / "z").rename(self.model / "a")
                self.expect(True, self.model, signature)
                signature.unlink()

    def test_each_refuses_a_changed_statement(self):
        for by in ("polder", "model-signing"):
            signature = self.model / "model.sig"
            self.sign(by, self.model, signature)
            bundle = json.loads(signature.read_text())
            envelope = bundle["dsseEnvelope"]
            payload = base64.b64decode(envelope["payload"])
            envelope["payload"] = base64.b64encode(payload.replace(b'"b.txt"', b'"c.txt"')).decode()
            signature.write_text(json.dumps(bundle))
            (self.model / "b.txt").rename(self.model / "c.txt")
            with self.subTest(by=by):
                self.expect(False, self.model, signature)
                self.assertFalse(self.sigstore(signature))
            (self.model / "c.txt").rename(self.model / "b.txt")
            signature.unlink()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
