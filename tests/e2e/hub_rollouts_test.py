#!/usr/bin/python3
"""Rollouts and tags by the command line, against a hub: the real programs.

    hub_rollouts_test.py POLDER_HUB POLDER
"""
import http.client
import json
import os
import pathlib
import re
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

HUB, POLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


class HubRollouts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.folder = self.scratch / "hub"
        self.process = None
        self.addCleanup(self.kill)
        self.token = self.serve()

    def serve(self):
        """Starts it; the token of its administrator, the first time."""
        with open(self.scratch / "hub.log", "ab") as log:
            self.process = subprocess.Popen(
                [HUB, "serve", "--folder", self.folder, "--listen", "127.0.0.1:0", "--person-rate",
                 "1000"], stdout=subprocess.PIPE, stderr=log, text=True)
        said = ""
        while "SHA-256" not in said:
            line = self.process.stdout.readline()
            self.assertTrue(line, (self.scratch / "hub.log").read_text())
            said += line
        self.port = int(re.search(r"https://\S+:(\d+)", said).group(1))
        if hasattr(self, "token"):
            return self.token
        return re.search(r"admin +(polder-person-\S+)", self.process.stdout.readline()).group(1)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def ask(self, method, target, body):
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30,
                                                 context=context)
        self.addCleanup(connection.close)
        connection.request(method, target, json.dumps(body),
                           {"Authorization": f"Bearer {self.token}",
                            "Content-Type": "application/json"})
        response = connection.getresponse()
        return json.loads(response.read())

    def devices(self, *names):
        """Enrolled, and known to have the model people 1.0.0, as reports tell it."""
        for name in names:
            csr = subprocess.run(
                ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.scratch / f"{name}.pem",
                 "-subj", f"/CN={name}"], check=True, capture_output=True, text=True).stdout
            token = self.ask("POST", "/v1/enrolment-tokens", {})["token"]
            enrolled = self.ask("POST", "/v1/enrol", {"token": token, "csr": csr})
            self.assertIn("certificate", enrolled)
            with sqlite3.connect(self.folder / "hub.db", timeout=30) as database:
                database.execute("INSERT INTO device_model (device, model, running, committed, "
                                 "is_well, seen_s) VALUES (?, 'people', '1.0.0', '1.0.0', 1, ?)",
                                 (name, int(time.time())))
            database.close()

    def polder(self, *words, status=0, token=None):
        done = subprocess.run([POLDER, *words], capture_output=True, text=True, timeout=120, env={
            **os.environ, "POLDER_HUB": f"https://127.0.0.1:{self.port}",
            "POLDER_HUB_TOKEN": token or self.token, "POLDER_HUB_CA": str(self.folder / "ca.pem")})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def test_tags(self):
        self.devices("cam-1", "cam-2")
        self.assertIn("line=3", self.polder("fleet", "tag", "cam-1", "line=3", "site=ams"))
        self.assertRegex(self.polder("fleet", "devices"), r"cam-1 +line=3,site=ams\ncam-2 +\n")
        listed = json.loads(self.polder("fleet", "devices", "--query", "site=ams", "--json"))
        self.assertEqual([one["id"] for one in listed["devices"]], ["cam-1"])
        self.assertEqual(listed["devices"][0]["tags"], {"site": "ams", "line": "3"})
        self.polder("fleet", "tag", "cam-1")
        self.assertEqual(json.loads(self.polder("fleet", "show", "cam-1", "--json"))["tags"], {})
        self.assertIn("TAG=VALUE expected", self.polder("fleet", "tag", "cam-1", "x", status=1))
        self.assertIn("no device of this name", self.polder("fleet", "show", "cam-9", status=1))

    def test_a_rollout_from_its_beginning_to_its_end(self):
        self.devices("cam-1", "cam-2", "cam-3")
        self.assertEqual(self.polder("rollout", "list"), "no rollouts\n")
        made = json.loads(self.polder(
            "rollout", "create", "people", "1.1.0", "--stages", "1, 50%, 100%", "--least-minutes",
            "0", "--look-s", "1", "--measures", "none", "--json"))
        self.assertEqual(made["devices"], {"matching": 3, "wanted": 1, "running": 0, "failed": 0})
        self.assertEqual([stage["text"] for stage in made["stages"]], ["1 device", "50%", "100%"])
        self.assertIn("no device runs it yet", made["gate"]["reasons"])
        self.assertIn("is part of rollout r1",
                      self.polder("rollout", "create", "people", "1.2.0", status=1))
        self.assertRegex(self.polder("rollout", "list", "--phase", "running"),
                         r"r1  people  1\.1\.0  running  stage 1 of 3\n")
        self.assertIn("paused: wait", self.polder("rollout", "pause", "r1", "--reason", "wait"))
        self.assertIn("it cannot be paused",
                      self.polder("rollout", "pause", "r1", "--reason", "wait", status=1))
        self.polder("rollout", "resume", "r1")
        # The hub's own timer judges the gate; a hub that was killed goes on.
        self.kill()
        self.serve()
        with sqlite3.connect(self.folder / "hub.db", timeout=30) as database:
            database.execute("UPDATE rollout_device SET running = '1.1.0' WHERE wanted = 2")
        database.close()
        watched = self.polder("rollout", "show", "r1", "--watch")
        for line in ("stage 2 of 3 (50%)", "stage 3 of 3 (100%)", "done"):
            self.assertRegex(watched, re.escape(f"  {line}  (polder-hub)"))
        self.assertIn("3 matching, 3 wanted, 1 running, 0 failed", watched)

    def test_an_abort(self):
        self.devices("cam-1")
        self.polder("rollout", "create", "people", "1.1.0", "--query", "site=ams", "--window",
                    "22:00-05:00", "--other-version", "1.2.0")
        self.assertIn("--reason", self.polder("rollout", "abort", "r1", status=1))
        said = self.polder("rollout", "abort", "r1", "--reason", "wrong labels")
        self.assertIn("aborted  stage 1 of 6  of site=ams: wrong labels", said)
        self.polder("rollout", "show", "r1", "--watch", status=1)
        self.assertIn("no rollout of this name", self.polder("rollout", "show", "r9", status=1))

    def test_what_is_wrong_is_told(self):
        for words, told in (
                (("create", "people", "1.1.0", "--stages", "3, 1, 100%"), "must be larger"),
                (("create", "people", "one"), "body.version"),
                (("create", "people", "1.1.0", "--window", "29:00-30:00"), "body.window.from"),
                (("create", "people", "1.1.0", "--query", "a=b,a=c"), "twice")):
            self.assertIn(told, self.polder("rollout", *words, status=1))
        viewer = self.ask("POST", "/v1/tokens", {"name": "eve", "role": "viewer"})["token"]
        self.assertIn("needs operator", self.polder("rollout", "create", "people", "1.1.0",
                                                    status=1, token=viewer))
        self.assertEqual(self.polder("rollout", "list", token=viewer), "no rollouts\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
