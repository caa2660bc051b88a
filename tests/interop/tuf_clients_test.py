#!/usr/bin/env python3
"""Independent TUF clients, python-tuf and tuf-js, download from a repository that polder has made.

    tuf_clients_test.py POLDER INTEROP [TEST...]

INTEROP is where scripts/fetch-interop has put the clients; runs in its Python.
"""
import functools
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

POLDER, INTEROP = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
DOWNLOAD = pathlib.Path(__file__).resolve().parent / "download.mjs"
BINNED = 1003  # targets of the top level: more than it holds without hash bins
TARGETS = {"people/1.0.0/notes.txt": "people", "many/7/manifest.json": "seven",
           f"many/{BINNED - 1}/manifest.json": "the last",
           "floors.json": '{"format": 1, "floors": {}}'}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def polder(folder, *words):
    subprocess.run([POLDER, *map(str, words)], cwd=folder, check=True, capture_output=True)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.repo = cls.scratch / "repo"
        run = functools.partial(polder, cls.scratch)
        # Every kind of key that Polder signs with.
        for name, kind in {"root-1": "ed25519", "root-2": "p256", "root-3": "rsa",
                           "root-4": "ed25519", "targets": "p256", "family": "rsa",
                           "online": "ed25519"}.items():
            run("keys", "create", "--type", kind, "--output", f"{name}.pem", "--no-passphrase")
            run("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        run("repo", "init", "repo", "--root-key", "root-1.pub.pem", "--root-key", "root-2.pub.pem",
            "--root-key", "root-3.pub.pem", "--targets-key", "targets.pub.pem", "--timestamp-key",
            "online.pub.pem", "--key", "root-2.pem", "--key", "root-3.pem", "--key", "targets.pem")
        run("repo", "publish", "repo", "--key", "online.pem")
        run("repo", "delegate", "repo", "people", "--role-key", "family.pub.pem", "--path",
            "people/*/*")
        file = cls.scratch / "file"
        for number in range(BINNED):
            name = f"many/{number}/manifest.json"
            file.write_text(TARGETS.get(name, str(number)))
            run("repo", "add", "repo", file, "--target", name)
        for name, text in TARGETS.items():
            file.write_text(text)
            run("repo", "add", "repo", file, "--target", name)
        run("repo", "sign", "repo", "--key", "targets.pem", "--key", "family.pem")
        run("repo", "publish", "repo", "--key", "online.pem", "--force")
        run("repo", "rotate", "repo", "root", "--add", "root-4.pub.pem", "--key", "root-1.pem",
            "--key", "root-2.pem")
        run("repo", "publish", "repo", "--key", "online.pem", "--force")
        assert (cls.repo / "metadata/2.root.json").exists()
        assert len(list((cls.repo / "metadata").glob("1.targets.bin-*.json"))) == 256

    def setUp(self):
        """Serves a copy of the repository, which the test may damage."""
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.served = self.folder / "served"
        shutil.copytree(self.repo, self.served)
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=self.served))
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def python_tuf(self, targets):
        folder = self.folder / "python"
        folder.mkdir(exist_ok=True)
        root = (self.repo / "metadata/1.root.json").read_bytes()
        updater = Updater(str(folder), f"{self.url}/metadata/", str(folder),
                          f"{self.url}/targets/", bootstrap=root)
        updater.refresh()
        found = []
        for index, name in enumerate(targets):
            info = updater.get_targetinfo(name)
            if info is None:
                raise RepositoryError(f"no target {name}")
            path = updater.download_target(info, str(folder / f"target-{index}"))
            found.append(pathlib.Path(path).read_text())
        return found

    def tuf_js(self, targets):
        folder = self.folder / "js"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.repo / "metadata/1.root.json", folder / "root.json")
        done = subprocess.run(
            ["node", DOWNLOAD, f"{self.url}/metadata", f"{self.url}/targets", folder, *targets],
            env={**os.environ, "INTEROP_NODE": str(INTEROP / "node")}, capture_output=True,
            text=True, timeout=120)
        if done.returncode != 0:
            raise RepositoryError(done.stderr.strip())
        return [(folder / f"target-{index}").read_text() for index in range(len(targets))]

    def clients(self):
        return {"python-tuf": self.python_tuf, "tuf-js": self.tuf_js}.items()

    def test_targets_of_all_roles(self):
        for name, client in self.clients():
            with self.subTest(name):
                self.assertEqual(client(list(TARGETS)), list(TARGETS.values()))

    def test_what_is_not_there(self):
        for name, client in self.clients():
            with self.subTest(name), self.assertRaises(RepositoryError):
                client(["people/2.0.0/manifest.json"])

    def test_damage_is_refused(self):
        """So that what is accepted above is not accepted for lack of looking."""
        metadata, targets = self.served / "metadata", self.served / "targets"
        newest = max(metadata.glob("*.snapshot.json"),
                     key=lambda path: int(path.name.split(".")[0]))
        for path in (next(targets.glob("people/1.0.0/*")), newest, metadata / "2.root.json",
                     metadata / "timestamp.json"):
            kept = path.read_bytes()
            path.write_bytes(kept.replace(b"e", b"f", 1))
            for name, client in self.clients():
                with (self.subTest(name, path=path.name),
                      self.assertRaises((RepositoryError, DownloadError, ValueError))):
                    client(["people/1.0.0/notes.txt"])
            path.write_bytes(kept)
            for stored in ("python", "js"):
                shutil.rmtree(self.folder / stored, ignore_errors=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
