"""A fleet for tests with the real programs: a hub, people with keys that are nowhere on it, and
devices that it looks after. The test's arguments are POLDER_HUB POLDERD POLDER."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import hubs
from small_releases import Maker

HUB, POLDERD, POLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
MODEL = "voice"
DEADLINE_S = 100


class Device:
    """`polderd run` of a configuration of its own."""

    def __init__(self, fleet, name):
        self.fleet, self.name = fleet, name
        self.folder, self.config = fleet.scratch / name, fleet.scratch / f"{name}.toml"
        self.log, self.token = fleet.scratch / f"{name}.log", fleet.scratch / f"{name}.token"
        self.process = None

    def configure(self, url, ca):
        self.config.write_text(
            f'device = "{self.name}"\nfolder = "{self.folder}"\nmodels = ["{MODEL}"]\n'
            f'root = "{self.fleet.scratch}/root.json"\n'
            f'[updates]\nobserve_s = 1\ncheck_every_s = 2\n[worker]\ncrashes = 2\n'
            f'[hub]\nurl = "{url}"\ntoken_file = "{self.token}"\nca_file = "{ca}"\n'
            "[reports]\nevery_s = 1\n")

    def put_token(self, token):
        self.token.touch(mode=0o600)
        self.token.write_text(token + "\n")

    def run(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([POLDERD, "run", "--config", self.config], stdout=log,
                                            stderr=log, env={"PATH": os.environ["PATH"]})
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def status(self):
        done = subprocess.run([POLDERD, "status", "--json", "--config", self.config],
                              capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def hub(self):
        return self.status()["hub"]

    def running(self):
        unit = self.status()["units"][MODEL]
        return unit["running"] and unit["running"]["version"]

    def certificate(self):
        return self.folder / "hub" / "certificate.pem"


class Fleet(unittest.TestCase):
    hub_options = ("--poll-s", 1, "--person-rate", 1000)
    targets_key = "targets.pem"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.keys = pathlib.Path(folder.name)
        for name in ("root-1", "root-2", "root-3", "targets"):
            for words in (["keys", "create", "--output", f"{name}.pem", "--no-passphrase"],
                          ["keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem"]):
                subprocess.run([POLDER, *words], cwd=cls.keys, check=True, capture_output=True)

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.repo, self.people, self.devices = self.scratch / "repo", {}, []
        self.serve(hubs.Hub(HUB, self.scratch / "hub", *self.hub_options))
        self.make_people()
        self.maker = Maker(POLDER, self.scratch, self.repo / "staged")
        online = self.hub.folder / "hub-online.pub.pem"
        self.polder("repo", "init", self.repo, "--root-key", "root-1.pub.pem", "--root-key",
                    "root-2.pub.pem", "--root-key", "root-3.pub.pem", "--targets-key",
                    "targets.pub.pem", "--timestamp-key", online, "--profile", "hub")
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key", online, "--path",
                    "assignments/*")
        for key in ("root-1.pem", "root-3.pem", "targets.pem"):
            self.polder("repo", "sign", self.repo, "--key", key)
        shutil.copy(self.repo / "staged" / "root.json", self.scratch / "root.json")

    # --- The hub and its people ------------------------------------------------------------------

    def serve(self, hub):
        self.hub = hub
        self.addCleanup(hub.kill)
        return hub.start()

    def make_people(self):
        for name, role in (("anna", "releaser"), ("bob", "releaser"), ("olga", "operator")):
            status, made = self.hub.ask("POST", "/v1/tokens", {"name": name, "role": role})
            self.assertEqual(status, 201, made)
            self.people[name] = made["token"]

    def polder(self, *words, person=None, status=0):
        """What it prints; of what fails what it says."""
        environment = {**os.environ, "POLDER_HUB": self.hub.url(),
                       "POLDER_HUB_CA": str(self.hub.ca())}
        if person:
            environment["POLDER_HUB_TOKEN"] = self.people[person]
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.keys, capture_output=True,
                              text=True, timeout=120, env=environment)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def polder_hub(self, *words, status=0, environment=None):
        done = subprocess.run([HUB, *map(str, words)], capture_output=True, text=True, timeout=300,
                              env={**os.environ, **(environment or {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def push(self):
        """What is staged, signed and pushed by one, approved by another, pulled again."""
        pushed = json.loads(self.polder("hub", "push", self.repo, "--json", person="anna"))
        self.polder("hub", "approve", pushed["approval"]["id"], person="bob")
        self.polder("hub", "pull", self.repo, person="anna")

    def push_again(self):
        """What the hub has lost, as often as it takes: how often that was."""
        times = 0
        while True:
            done = subprocess.run([POLDER, "hub", "push", self.repo, "--again", "--json"],
                                  capture_output=True, text=True, timeout=120,
                                  env={**os.environ, "POLDER_HUB": self.hub.url(),
                                       "POLDER_HUB_CA": str(self.hub.ca()),
                                       "POLDER_HUB_TOKEN": self.people["anna"]})
            self.assertEqual(done.returncode, 0, done.stderr)
            approval = json.loads(done.stdout)["approval"]
            if approval is None:
                return times
            times += 1
            self.polder("hub", "approve", approval["id"], person="bob")

    def make_key(self, name):
        self.polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
        self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")

    def key_id(self, public):
        return json.loads(self.polder("keys", "show", public, "--json"))["keyid"]

    def sign(self, *keys):
        for key in keys:
            self.polder("repo", "sign", self.repo, "--key", f"{key}.pem")

    def add_release(self, version, **options):
        path = self.scratch / "manifest.json"
        path.write_text(self.maker.manifest(version, **options))
        self.polder("repo", "add", self.repo, path, "--target",
                    f"{MODEL}/{version}/manifest.json", "--key", self.targets_key)

    def release(self, version):
        self.add_release(version)
        self.push()

    def roll_out(self, version):
        """To all, at once."""
        self.polder("rollout", "create", MODEL, version, "--stages", "100%", "--least-minutes",
                    "0", "--look-s", "1", "--history-looks", "0", "--measures", "none",
                    person="olga")

    def rolled_out(self):
        self.wait_for("rollouts that are done", lambda: all(
            rollout["phase"] == "done" for rollout in self.hub.get("/v1/rollouts")["rollouts"]))

    # --- Devices ---------------------------------------------------------------------------------

    def device(self, name):
        """A new one that enrols and runs."""
        device = Device(self, name)
        ca = self.scratch / f"{name}.ca.pem"
        shutil.copy(self.hub.ca(), ca)
        device.configure(self.hub.url(), ca)
        device.put_token(self.hub.enrolment_token())
        self.devices.append(device)
        self.addCleanup(device.kill)
        device.run()
        self.wait_for(f"{name} enrols", lambda: device.hub()["state"] == "enrolled" and
                      device.hub()["checked_in_s"])
        return device

    def wait_for(self, what, condition):
        end = time.monotonic() + DEADLINE_S
        while not (found := condition()):
            if time.monotonic() > end:
                logs = "".join(f"\n--- {path.name}\n" + path.read_text()[-3000:]
                               for path in sorted(self.scratch.glob("*.log")))
                self.fail(f"{what}: not within {DEADLINE_S} s{logs}")
            time.sleep(0.2)
        return found

    def all_run(self, version):
        for device in self.devices:
            self.wait_for(f"{device.name} runs {version}", lambda: device.running() == version)

    def log(self):
        return self.hub.log.read_text()

    def acts(self):
        return re.findall(r'"act":"(\w+)"', (self.hub.folder / "audit.log").read_text())
