#!/usr/bin/env python3
"""python-tuf downloads a release from a running hub, by the hub's own routes and TLS, once it was
pushed by one and approved by another; and refuses what the hub's files were changed to.

    tuf_hub_test.py POLDER INTEROP [TEST...]

polder-hub lies beside POLDER; runs in the Python of INTEROP (scripts/fetch-interop).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from hubs import Hub  # noqa: E402
import plus_release  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
MANIFEST = "plus/1.0.0/manifest.json"


class FromAHub(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.hub = Hub(POLDER.parent / "polder-hub", self.scratch / "hub").start()
        self.addCleanup(self.hub.kill)
        self.hub.let_assign(POLDER, self.scratch / "people")
        self.repo = self.scratch / "people/repo"
        self.polder("hub", "pull", self.repo)
        self.root = (self.repo / "metadata/1.root.json").read_bytes()

    def polder(self, *words, token=None):
        return subprocess.run(
            [POLDER, *map(str, words)], cwd=self.scratch, check=True, capture_output=True,
            text=True, env={"PATH": os.environ["PATH"], "POLDER_HUB": self.hub.url(),
                            "POLDER_HUB_CA": str(self.hub.ca()),
                            "POLDER_HUB_TOKEN": token or self.hub.token}).stdout

    def push(self):
        """The release, as its people do it; what is to be approved."""
        plus_release.make(self.polder, self.scratch)
        self.polder("repo", "add", self.repo, "plus", "--key", "people/targets.pem")
        anna = self.hub.token_of("anna", "releaser")
        return json.loads(self.polder("hub", "push", self.repo, "--json", token=anna))["approval"]

    def fetch(self, stored="client", ca=None):
        """The manifest, by a client that has `root` from elsewhere and keeps what it has seen."""
        folder = self.scratch / stored
        folder.mkdir(exist_ok=True)
        routes = f"{self.hub.url()}/repository"
        # Where OpenSSL looks for authorities, of which the client knows no other option.
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(ca or self.hub.ca())}):
            updater = Updater(str(folder), f"{routes}/metadata/", str(folder), f"{routes}/targets/",
                              bootstrap=self.root)
            updater.refresh()
            info = updater.get_targetinfo(MANIFEST)
            if info is None:
                raise RepositoryError(f"no target {MANIFEST}")
            return pathlib.Path(
                updater.download_target(info, str(folder / "manifest"))).read_bytes()

    def test_what_was_approved_is_fetched_and_nothing_else(self):
        approval = self.push()
        with self.assertRaisesRegex(RepositoryError, "no target"):
            self.fetch()
        self.polder("hub", "approve", approval["id"])
        manifest = self.fetch()
        self.assertEqual(manifest, (self.scratch / "plus/manifest.json").read_bytes())
        self.assertEqual(json.loads(manifest)["model"], "plus")
        # Not without knowing the hub.
        none = self.scratch / "none.pem"
        none.write_text("")
        with self.assertRaises(DownloadError) as refused:
            self.fetch("stranger", ca=none)
        self.assertIn("certificate verify failed", str(refused.exception.__cause__))
        # Nor what the hub's files are changed to, whoever does that.
        served = self.hub.folder / "repository"
        changed = [next((served / "targets/plus/1.0.0").glob("*.manifest.json")),
                   served / "metadata/2.targets.json", served / "metadata/timestamp.json",
                   max((served / "metadata").glob("*.snapshot.json"),
                       key=lambda path: int(path.name.split(".")[0]))]
        for path in changed:
            kept = path.read_bytes()
            path.write_bytes(kept.replace(b"e", b"f", 1))
            with self.subTest(path.name), self.assertRaises(
                    (RepositoryError, DownloadError, ValueError)):
                self.fetch("new")
            path.write_bytes(kept)
            shutil.rmtree(self.scratch / "new")
        self.assertEqual(self.fetch("new"), manifest)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
