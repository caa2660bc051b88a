"""Keys and a repository of the command line, for the tests of polder repo.

A test that uses it is given POLDER as its first word.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}
KEYS = ["root-1", "root-2", "root-3", "targets", "online", "family", "other"]


class RepositoryTest(unittest.TestCase):
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
        self.repo = self.scratch / "repo"

    def polder(self, *words, status=0, environment=None):
        """Runs a command in the folder of the keys; its output, and error."""
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.keys, capture_output=True,
                              text=True, env=environment or ENVIRONMENT, timeout=60)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        if status:
            self.assertNotIn("internal error", done.stderr)
            self.assertEqual(done.stdout if "verify" not in words else "", "")
        return done.stdout if status == 0 or "verify" in words else done.stderr

    def init(self, repo=None):
        self.polder("repo", "init", repo or self.repo, "--root-key", "root-1.pub.pem", "--root-key",
                    "root-2.pub.pem", "--root-key", "root-3.pub.pem", "--targets-key",
                    "targets.pub.pem", "--timestamp-key", "online.pub.pem")

    def publish(self):
        self.polder("repo", "publish", self.repo, "--key", "online.pem")

    def published(self):
        self.init()
        self.polder("repo", "sign", self.repo, "--key", "root-1.pem", "--key", "root-3.pem",
                    "--key", "targets.pem")
        self.publish()

    def key_id(self, name):
        return json.loads(self.polder("keys", "show", f"{name}.pub.pem", "--json"))["keyid"]
