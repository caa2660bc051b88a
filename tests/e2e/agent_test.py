#!/usr/bin/python3
"""A device and its repository, with the real programs: what it would install, from a folder and
from a web server, what it refuses, and who it is.

    agent_test.py POLDER POLDERD
"""
import functools
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
KEYS = ["root-1", "root-2", "root-3", "targets", "online"]
MODEL = "voice"

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Maker:
    """Makes releases as their releaser would, blob by blob. The models are never opened."""

    def __init__(self, repo):
        self.repo = repo

    def blob(self, blobs, data):
        digest = hashlib.sha256(data).hexdigest()
        path = self.repo / "blobs" / "sha256" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        blobs[digest] = {"sha256": digest, "bytes": len(data)}
        return digest

    def manifest(self, version, target="generic", model=MODEL):
        blobs = {}
        plan = self.blob(blobs, f"plan of {model} {version}".encode())
        return json.dumps({
            "format": 1, "model": model, "version": version, "created": "2026-11-28T12:00:00Z",
            "licence": "Apache-2.0",
            "artifacts": [{"name": "mean", "kind": "plan", "target": target, "blob": plan,
                           "requires": {"plan_format": 1, "operators": {}, "backend": "native"}}],
            "lineage": {}, "card": {}, "sbom": self.blob(blobs, b"{}"),
            "blobs": list(blobs.values())})


class Agent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.keys = pathlib.Path(cls.folder.name)
        for name in KEYS:
            for command in (["keys", "create", "--output", f"{name}.pem", "--no-passphrase"],
                            ["keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem"]):
                subprocess.run([POLDER, *command], cwd=cls.keys, check=True, capture_output=True)

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.repo, self.device = self.scratch / "repo", self.scratch / "device"
        self.polder("repo", "init", self.repo, "--root-key", "root-1.pub.pem", "--root-key",
                    "root-2.pub.pem", "--root-key", "root-3.pub.pem", "--targets-key",
                    "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.polder("repo", "sign", self.repo, "--key", "root-1.pem", "--key", "root-2.pem",
                    "--key", "targets.pem")
        self.publish()
        self.maker = Maker(self.repo)
        shutil.copy(self.repo / "metadata" / "1.root.json", self.scratch / "root.json")
        self.configure()

    def configure(self, repository=None, more=""):
        (self.scratch / "polderd.toml").write_text(
            f'device = "camera-17"\nfolder = "{self.device}"\nmodels = ["{MODEL}"]\n'
            f'repository = "{repository or self.repo}"\nroot = "{self.scratch}/root.json"\n'
            f'{more}')

    def polder(self, *words):
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.keys, capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def publish(self):
        self.polder("repo", "publish", self.repo, "--key", "online.pem")

    def release(self, version, **options):
        path = self.scratch / "manifest.json"
        path.write_text(self.maker.manifest(version, **options))
        self.polder("repo", "add", self.repo, path, "--target",
                    f"{options.get('model', MODEL)}/{version}/manifest.json", "--key",
                    "targets.pem")
        self.publish()

    def agent(self, *words, status=0):
        done = subprocess.run([POLDERD, *map(str, words), "--config",
                               self.scratch / "polderd.toml"], capture_output=True, text=True,
                              timeout=100, env={"PATH": os.environ["PATH"]})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def offered(self):
        """The version that would be installed, or None, and the reasons for what would not."""
        report = json.loads(self.agent("check", "--json"))
        return (report["install"] and report["install"]["version"],
                [item["reason"] for item in report["refused"]])

    def test_a_folder(self):
        self.assertEqual(self.offered(), (None, ["the repository has no release of 'voice'"]))
        self.release("1.0.0")
        self.assertEqual(self.offered(), ("1.0.0", []))
        self.release("1.1.0")
        self.release("1.0.5")
        self.assertEqual(self.offered()[0], "1.1.0")
        self.assertIn("would install voice 1.1.0", self.agent("check"))
        # Nothing of it is installed by a check.
        unit = json.loads(self.agent("status", "--json"))["units"][MODEL]
        self.assertIsNone(unit["running"])

    def test_a_web_server(self):
        handler = functools.partial(Quiet, directory=self.repo)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        self.release("1.0.0")
        self.configure(f"http://127.0.0.1:{server.server_port}")
        self.assertEqual(self.offered()[0], "1.0.0")

    def test_the_address_can_be_given(self):
        self.release("1.0.0")
        self.configure("/nowhere")
        self.agent("check", status=1)
        self.assertIn("1.0.0", self.agent("check", "--repository", self.repo))

    def test_what_does_not_fit_the_device_is_refused(self):
        self.release("1.0.0", target="another-machine")
        version, reasons = self.offered()
        self.assertIsNone(version)
        self.assertIn("another-machine", " ".join(reasons))
        self.release("3.0.0", model="somebody-elses")
        self.assertIsNone(self.offered()[0])

    def test_a_changed_manifest_is_not_offered(self):
        self.release("1.0.0")
        self.assertEqual(self.offered()[0], "1.0.0")
        shutil.rmtree(self.device)
        for path in (self.repo / "targets" / MODEL / "1.0.0").iterdir():
            path.write_bytes(path.read_bytes().replace(b"Apache", b"Apacha"))
        done = subprocess.run([POLDERD, "check", "--json", "--config",
                               self.scratch / "polderd.toml"], capture_output=True, text=True,
                              timeout=100)
        self.assertTrue(done.returncode == 1 or not json.loads(done.stdout)["install"])

    def test_expired_metadata_are_refused_and_renewed_ones_taken(self):
        self.release("1.0.0")
        self.assertEqual(self.offered()[0], "1.0.0")
        # A timestamp of long ago, with the highest number of all.
        subprocess.run([POLDER, "repo", "publish", self.repo, "--key", "online.pem"], cwd=self.keys,
                       env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"}, check=True,
                       capture_output=True, timeout=60)
        report = json.loads(self.agent("check", "--json", status=1))
        self.assertEqual(report["error"]["code"], "timeout")
        self.assertIn("expired", report["error"]["message"])
        self.release("1.1.0")
        self.assertEqual(self.offered()[0], "1.1.0")

    def test_without_a_root_nothing_is_trusted(self):
        self.release("1.0.0")
        (self.scratch / "root.json").unlink()
        self.agent("check", status=1)

    def test_identity(self):
        made = json.loads(self.agent("identity", "create", "--json"))
        self.assertEqual(made["device"], "camera-17")
        key = self.device / "identity" / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.agent("identity", "create", status=1)
        self.assertEqual(json.loads(self.agent("identity", "show", "--json"))["id"], made["id"])
        csr = self.agent("identity", "csr")
        done = subprocess.run(["openssl", "req", "-verify", "-noout", "-subject"], input=csr,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("camera-17", done.stdout)
        # Making it is on record, and its key vouches for the record.
        public = self.scratch / "device.pub.pem"
        public.write_text(made["public"])
        log = self.device / "audit" / "log"
        self.assertIn("identity_created", self.polder("audit", "show", log))
        self.polder("audit", "verify", log, "--key", public)

    def test_doctor_says_what_is_wrong(self):
        findings = json.loads(self.agent("doctor", "--json", status=1))
        wrong = {f["what"].split(":")[0] for f in findings if f["level"] == "wrong"}
        self.assertEqual(wrong, {"identity"})
        self.agent("identity", "create")
        self.agent("doctor")
        shutil.rmtree(self.repo)
        self.assertIn("repository", self.agent("doctor", status=1))

    def test_bad_input(self):
        config = self.scratch / "polderd.toml"
        config.write_text(config.read_text() + "\nmodles = 3\n")
        done = subprocess.run([POLDERD, "status", "--config", config], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"polderd\.toml:\d+: ")
        for words, message in ((["stauts"], "did you mean 'status'?"),
                               (["status", "--jsn"], "did you mean '--json'?"),
                               (["identity", "create", "--passphrase-fd", "x"], "passphrase-fd")):
            done = subprocess.run([POLDERD, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)

    def test_help(self):
        done = subprocess.run([POLDERD, "--help"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        for command in ("check", "status", "doctor", "identity create"):
            self.assertIn(command, done.stdout)
            one = subprocess.run([POLDERD, *command.split(), "--help"], capture_output=True,
                                 text=True, timeout=60)
            self.assertEqual(one.returncode, 0)
            self.assertIn("example:", one.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
