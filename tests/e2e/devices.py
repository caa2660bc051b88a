"""One device and the releases for it, for tests with the real programs, which are the first two
arguments of the test: POLDER POLDERD."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from small_releases import Maker

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
KEYS = ["root-1", "root-2", "root-3", "targets", "online"]
MODEL = "voice"


def children(pid):
    """Processes that it has started: (number, resident bytes)."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rsplit(") ")[1].split()
        except OSError:
            continue
        if words[1] == str(pid):
            found.append((int(path.parent.name), int(words[21]) * os.sysconf("SC_PAGE_SIZE")))
    return found


class Device(unittest.TestCase):
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
        self.environment = {}
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
        self.maker = Maker(POLDER, self.scratch, self.repo)
        shutil.copy(self.repo / "metadata" / "1.root.json", self.scratch / "root.json")
        self.configure()

    def configure(self, repository=None, more=""):
        (self.scratch / "polderd.toml").write_text(
            f'device = "camera-17"\nfolder = "{self.device}"\nmodels = ["{MODEL}"]\n'
            f'repository = "{repository or self.repo}"\nroot = "{self.scratch}/root.json"\n'
            f'[updates]\nobserve_s = 1\n[worker]\ncrashes = 2\n{more}')

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
        keys = self.scratch / f"{version}.sealed.keys"
        if keys.exists():
            self.polder("repo", "add", self.repo, keys, "--key", "targets.pem")
        self.publish()

    def identify(self):
        """Makes the device's keys; what is sealed for it is sealed to device.pub.pem."""
        made = json.loads(self.agent("identity", "create", "--json"))
        (self.scratch / "device.pub.pem").write_text(made["decryption"]["public"])

    def seal(self, name, version):
        """The plan `name` sealed for this device, for release(), which adds its keys too."""
        sealed = self.scratch / f"{version}.sealed"
        self.polder("seal", self.scratch / f"{name}.plan", "--to", self.scratch / "device.pub.pem",
                    "--output", sealed)
        return sealed.read_bytes()

    def agent(self, *words, status=0):
        done = subprocess.run([POLDERD, *map(str, words), "--config",
                               self.scratch / "polderd.toml"], capture_output=True, text=True,
                              timeout=100,
                              env={"PATH": os.environ["PATH"], **self.environment})
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def service(self, program=None, **options):
        """`polderd run` until the test ends, from when it says that it runs."""
        process = subprocess.Popen([program or POLDERD, "run", "--config",
                                    self.scratch / "polderd.toml"],
                                   stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn("camera-17 runs", process.stderr.readline())
        return process

    def until_well(self):
        deadline = time.monotonic() + 60
        health = ""
        while health != "well" and time.monotonic() < deadline:
            time.sleep(0.1)
            health = json.loads(self.agent("status", "--json"))["live"]["health"][MODEL]
        self.assertEqual(health, "well")

    def install(self, status=0):
        return json.loads(self.agent("check", "--install", "--json", status=status))

    def running(self):
        unit = json.loads(self.agent("status", "--json"))["units"][MODEL]
        return unit["running"] and unit["running"]["version"]
