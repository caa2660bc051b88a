#!/usr/bin/python3
"""Releases from the people who sign them to a device, through a hub: the real programs, real keys.

    hub_repository_test.py POLDER_HUB POLDERD POLDER
"""
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import hubs
import plus_release

HUB, POLDERD, POLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:4])


def guide_commands(section):
    """The commands of a section of the hub's guide, without their comments."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "guide" / "hub.md"
    text = page.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line.split("  #")[0].strip() for line in text.splitlines()
            if line.startswith("    polder ")]


class HubRepository(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.keys = pathlib.Path(folder.name)
        for name in ("root", "targets"):
            cls.run_polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            cls.run_polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        for version in ("1.0.0", "1.1.0"):
            plus_release.make(cls.run_polder, cls.keys, f"plus-{version}", version=version)

    @classmethod
    def run_polder(cls, *words):
        done = subprocess.run([POLDER, *words], cwd=cls.keys, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.repo = self.scratch / "repo"
        self.hub = hubs.Hub(HUB, self.scratch / "hub")
        self.addCleanup(self.hub.kill)
        self.hub.start()
        self.people = {name: self.hub.token_of(name, role) for name, role in (
            ("anna", "releaser"), ("bob", "releaser"), ("eve", "viewer"))}
        online = self.scratch / "online.pub.pem"
        online.write_text(self.hub.get("/v1/repository")["online_key"])
        self.assertEqual(online.read_text(), (self.hub.folder / "hub-online.pub.pem").read_text())
        self.polder("repo", "init", self.repo, "--root-key", "root.pub.pem", "--root-threshold",
                    "1", "--targets-key", "targets.pub.pem", "--timestamp-key", online, "--profile",
                    "hub", "--key", "root.pem", "--key", "targets.pem")

    # --- Who asks the hub ------------------------------------------------------------------------

    def ask(self, method, target, body=None, token=None):
        status, document = self.hub.ask(method, target, body, token=token)
        self.assertLess(status, 300, document)
        return document

    def polder(self, *words, person=None, status=0, folder=None):
        """What it prints; of what fails what it says."""
        environment = {**os.environ, "POLDER_HUB": self.hub.url(),
                       "POLDER_HUB_CA": str(self.hub.ca())}
        if person:
            environment["POLDER_HUB_TOKEN"] = self.people[person]
        done = subprocess.run([POLDER, *map(str, words)], cwd=folder or self.keys,
                              capture_output=True, text=True, timeout=120, env=environment)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def push(self):
        return json.loads(self.polder("hub", "push", self.repo, "--json", person="anna"))

    def release(self, version):
        """Pushed by one, approved by another, pulled again."""
        self.polder("repo", "add", self.repo, f"plus-{version}", "--key", "targets.pem")
        pushed = self.push()
        self.polder("hub", "approve", pushed["approval"]["id"], person="bob")
        self.polder("hub", "pull", self.repo, person="anna")
        return pushed

    # --- A device --------------------------------------------------------------------------------

    def configure(self, root):
        (self.scratch / "polderd.toml").write_text(
            f'device = "camera-17"\nfolder = "{self.scratch}/device"\nmodels = ["plus"]\n'
            f'repository = "{self.hub.url()}/repository"\nroot = "{root}"\n'
            f'[network]\nca_file = "{self.hub.ca()}"\n[updates]\nobserve_s = 1\n')

    def agent(self, *words, status=0):
        done = subprocess.run([POLDERD, *words, "--config", self.scratch / "polderd.toml"],
                              capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def installed(self):
        self.agent("check", "--install", "--json")
        unit = self.agent("status", "--json")["units"]["plus"]
        return unit["running"] and unit["running"]["version"]

    # --- Tests -----------------------------------------------------------------------------------

    def test_a_release_goes_from_who_signs_it_to_a_device(self):
        first = self.release("1.0.0")
        self.assertGreater(first["files"], 4)
        self.assertEqual(first["approval"]["asked_by"], "anna")
        self.configure(self.repo / "metadata" / "1.root.json")
        self.assertEqual(self.installed(), "1.0.0")
        # What is here is what was published, and whole.
        shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
        self.assertEqual((shown["staged"], shown["releases"]), ([], {"plus": ["1.0.0"]}))
        self.polder("repo", "verify", self.repo)
        second = self.release("1.1.0")
        self.assertLess(second["files"], first["files"], "what the hub has is not sent again")
        self.assertEqual(self.installed(), "1.1.0")
        self.hub.kill()
        self.hub.start()
        self.assertEqual(self.installed(), "1.1.0")
        models = self.ask("GET", "/v1/models", None, self.people["eve"])["models"]
        self.assertEqual(models, [{"name": "plus", "versions": ["1.0.0", "1.1.0"], "aliases": {}}])
        shown = self.ask("GET", "/v1/releases/plus/1.1.0", None, self.people["eve"])
        self.assertEqual((shown["added_by"], shown["approved_by"]), ("anna", "bob"))
        # Who pulls into a new folder needs the root, and can go on from there.
        other = self.scratch / "other"
        said = self.polder("hub", "pull", other, person="anna", status=1)
        self.assertIn("--root FILE", said)
        self.polder("hub", "pull", other, "--root", self.repo / "metadata" / "1.root.json",
                    person="eve")
        self.assertEqual(json.loads(self.polder("repo", "show", other, "--json"))["releases"],
                         {"plus": ["1.0.0", "1.1.0"]})
        acts = (self.hub.folder / "audit.log").read_text()
        for act in ("publication_asked", "approved", "release_published"):
            self.assertEqual(acts.count(f'"act":"{act}"'), 2, acts)

    def test_it_takes_two_and_the_right_ones(self):
        self.polder("repo", "add", self.repo, "plus-1.0.0", "--key", "targets.pem")
        said = self.polder("hub", "push", self.repo, person="eve", status=1)
        self.assertIn("this needs releaser", said)
        approval = self.push()["approval"]["id"]
        self.assertEqual(self.push()["approval"]["id"], approval)
        self.assertIn(f": anna has asked for the same: 'polder hub approve {approval}'\n",
                      self.polder("hub", "push", self.repo, person="bob"))
        self.assertIn("another person decides",
                      self.polder("hub", "approve", approval, person="anna", status=1))
        self.assertIn("this needs releaser",
                      self.polder("hub", "approve", approval, person="eve", status=1))
        self.assertIn("plus 1.0.0", self.polder("hub", "approvals", person="eve"))
        self.assertEqual(self.hub.send("GET", "/repository/metadata/timestamp.json")[0], 404)
        said = self.polder("hub", "reject", approval, "--reason", "no labels", person="bob")
        self.assertIn(": rejected: no labels\n", said)
        self.assertRegex(self.polder("hub", "approvals", approval, person="eve"),
                         r"\n  rejected by bob at \S+: no labels\n")
        self.assertEqual(self.polder("hub", "approvals", person="eve"), "nothing waits\n")
        self.assertIn("rejected by bob",
                      self.polder("hub", "approve", approval, person="bob", status=1))

    def test_who_asked_may_take_it_back(self):
        self.polder("repo", "add", self.repo, "plus-1.0.0", "--key", "targets.pem")
        approval = self.push()["approval"]["id"]
        said = self.polder("repo", "discard", self.repo)
        self.assertIn(f"'polder hub reject {approval}' takes it back", said)
        self.assertNotIn("takes it back", self.polder("repo", "discard", self.repo))
        said = self.polder("hub", "reject", approval, person="anna")
        self.assertIn(": taken back\n", said)
        self.assertRegex(self.polder("hub", "approvals", approval, person="eve"),
                         r"\(taken back\)\n  asked by anna at \S+\n  taken back by anna at \S+\n")
        self.assertEqual(self.polder("hub", "approvals", person="eve"), "nothing waits\n")

    def test_what_devices_would_refuse_is_refused(self):
        self.polder("repo", "add", self.repo, "plus-1.0.0")
        blob = max(filter(pathlib.Path.is_file, (self.repo / "staged" / "blobs").rglob("*")),
                   key=lambda path: path.stat().st_size)
        good = blob.read_bytes()
        blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        self.assertIn("which is another",
                      self.polder("hub", "push", self.repo, person="anna", status=1))
        blob.unlink()
        self.assertIn("neither here nor at the hub",
                      self.polder("hub", "push", self.repo, person="anna", status=1))
        blob.write_bytes(good)
        self.assertIn("role 'targets' version 1: 0 of 1 signatures",
                      self.polder("hub", "push", self.repo, person="anna", status=1))
        self.assertEqual(list((self.hub.folder / "waiting").iterdir()), [])
        self.polder("repo", "sign", self.repo, "--key", "targets.pem")
        self.push()
        self.assertEqual(len(list((self.hub.folder / "waiting").iterdir())), 1)

    def test_an_upload_that_was_cut_off_goes_on(self):
        content = random.Random(1).randbytes(3_000_000)
        digest = hashlib.sha256(content).hexdigest()
        target = f"/v1/uploads/{digest}"
        token, kind = self.people["anna"], {"Content-Type": "application/octet-stream"}
        size = 1 << 20

        def piece(at):
            return self.hub.send("POST", f"{target}?from={at}&total={len(content)}",
                                 content[at:at + size], kind, token)
        self.assertEqual(piece(0)[0], 200)
        # In the middle of a piece.
        connection = self.hub.connect()
        connection.putrequest("POST", f"{target}?from={size}&total={len(content)}")
        for name, value in {**kind, "Authorization": f"Bearer {token}",
                            "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(content[size:size + 1000])
        self.hub.kill()
        self.hub.start()
        come = self.ask("GET", target, None, token)
        self.assertEqual(come, {"received": size, "complete": False})
        for at in range(size, len(content), size):
            status, _, answer = piece(at)
            self.assertEqual(status, 200, answer)
        self.assertTrue(json.loads(answer)["complete"])
        self.assertEqual(self.ask("POST", "/v1/uploads", {"sha256": [digest]}, token),
                         {"missing": []})
        # Who may not is told so before the body is read, and nobody sends more than a piece.
        for person, status in ((self.people["eve"], 403), (None, 401), ("polder-person-x", 401)):
            found = self.hub.send("POST", f"{target}?total=9", content[:size], kind, person)[0]
            self.assertEqual(found, status)
        found = self.hub.send("POST", f"{target}?total=9", content[:size + 1], kind, token)[0]
        self.assertEqual(found, 413)

    def test_files_are_streamed_in_parts(self):
        self.release("1.0.0")
        large = self.hub.folder / "repository" / "blobs" / "sha256" / "aa" / ("a" * 64)
        large.parent.mkdir(parents=True, exist_ok=True)
        content = random.Random(2).randbytes(5_000_001)
        large.write_bytes(content)
        address = "/repository/blobs/sha256/aa/" + "a" * 64
        status, headers, body = self.hub.send("GET", address)
        self.assertEqual((status, body), (200, content))
        self.assertIn("immutable", headers["Cache-Control"])
        part = {"Range": "bytes=1000000-3999999"}
        status, headers, body = self.hub.send("GET", address, headers=part)
        self.assertEqual((status, body), (206, content[1_000_000:4_000_000]))
        self.assertEqual(headers["Content-Range"], "bytes 1000000-3999999/5000001")
        status, headers, body = self.hub.send("HEAD", address)
        self.assertEqual((status, headers["Content-Length"], body), (200, "5000001", b""))
        status, headers, _ = self.hub.send("GET", address, headers={"Range": "bytes=5000001-"})
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */5000001"))
        done = subprocess.run(["curl", "-sS", "--cacert", self.hub.folder / "ca.pem", "-o",
                               self.scratch / "got", "-C", "-", self.hub.url() + address],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, (self.scratch / "got").read_bytes()), (0, content))
        # Two downloads on one connection, and an answer in between.
        connection = self.hub.connect()
        for _ in range(2):
            connection.request("GET", address)
            self.assertEqual(connection.getresponse().read(), content)
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}\n')

    def test_who_hardly_reads_is_cut_off(self):
        """Three quarters of the least pace, of which a reader would hold its place for hours."""
        large = self.hub.folder / "repository" / "blobs" / "sha256" / "aa" / ("a" * 64)
        large.parent.mkdir(parents=True, exist_ok=True)
        large.write_bytes(random.Random(2).randbytes(5_000_001))
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", self.hub.port))
        with self.hub.context().wrap_socket(plain, server_hostname="127.0.0.1") as reader:
            reader.sendall(f"GET /repository/blobs/sha256/aa/{'a' * 64} HTTP/1.1\r\n"
                           "Host: hub\r\n\r\n".encode())
            deadline = time.monotonic() + 300
            read = 0
            try:
                while block := reader.recv(768):
                    read += len(block)
                    self.assertLess(time.monotonic(), deadline, f"{read} bytes so far")
                    time.sleep(1)
            except OSError:
                pass
        self.assertLess(read, 5_000_001)

    def test_a_role_of_the_hubs_own_is_pulled_with_the_rest(self):
        """What was staged of it here gives way to what the hub has signed."""
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key",
                    self.hub.folder / "hub-online.pub.pem", "--path", "assignments/*", "--key",
                    "targets.pem")
        for version in ("1.0.0", "1.1.0"):
            self.release(version)
            shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
            self.assertEqual(shown["staged"], [])
            self.assertTrue((self.repo / "metadata" / "1.assignments.json").exists())
        self.assertFalse(any((self.repo / "staged" / "targets").glob("**/*.json")))

    def test_a_release_is_withdrawn_as_the_guide_says(self):
        """In a folder that was only pulled, of a hub that assigns what each device runs."""
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key",
                    self.hub.folder / "hub-online.pub.pem", "--path", "assignments/*", "--key",
                    "targets.pem")
        for version in ("1.0.0", "1.1.0"):
            self.release(version)
        self.want("1.1.0")
        folder = self.scratch / "releaser"
        folder.mkdir()
        shutil.copy(self.keys / "targets.pem", folder)
        self.polder("hub", "pull", folder / "repo", "--root", self.repo / "metadata/1.root.json",
                    person="anna")
        said = self.polder("repo", "verify", folder / "repo", "--elsewhere")
        self.assertRegex(said, r"good\n  \d+ files are at the hub alone, and were not looked at\n")
        # Of a copy for devices, too, which takes along where it is from.
        shutil.copytree(folder / "repo", folder / "stick")
        done = subprocess.run([POLDER, "repo", "verify", folder / "stick"], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"not whole\n  \d+ files are at the hub alone.*--elsewhere")
        said = self.polder("repo", "publish", folder / "repo", status=1)
        self.assertIn("'polder hub push", said)
        approval, done = None, []
        for command in guide_commands("Withdraw a release"):
            words = command.replace("people", "plus").split()[1:]
            words = [approval if word == "5f0e7a2b9c1d4e3f" else word for word in words]
            if words[:2] == ["hub", "push"]:
                # What a device is to run stays, whoever asks.
                self.polder("repo", "remove", folder / "repo", "plus/1.1.0/manifest.json", "--key",
                            "targets.pem")
                self.assertIn("a device is to run it (camera-17)",
                              self.polder(*words, person="anna", status=1, folder=folder))
                self.polder("repo", "discard", folder / "repo")
                for again in done:
                    self.polder(*again, person="anna", folder=folder)
            out = self.polder(*words, person="bob" if approval else "anna", folder=folder)
            done.append(words)
            found = re.search(r"'polder hub approve (\w+)'", out)
            approval = found.group(1) if found else approval
        shown = self.ask("GET", f"/v1/approvals/{approval}")
        self.assertEqual(shown["what"],
                         "withdraws plus 1.0.0; raises the floor of plus to 1.1.0")
        self.assertTrue(shown["done"])
        releases = self.ask("GET", "/v1/releases")["releases"]
        self.assertEqual([(one["version"], one["state"]) for one in releases],
                         [("1.1.0", "published"), ("1.0.0", "withdrawn")])
        self.polder("repo", "verify", folder / "repo", "--elsewhere")

    def test_several_releases_come_at_once_or_none_does(self):
        broken = self.scratch / "plus-1.1.0"
        shutil.copytree(self.keys / "plus-1.1.0", broken)
        blob = next(filter(pathlib.Path.is_file, (broken / "blobs").rglob("*")))
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
        before = sorted((self.repo / "staged").rglob("*"))
        said = self.polder("repo", "add", self.repo, "plus-1.0.0", broken, "--key", "targets.pem",
                           status=1)
        self.assertIn(blob.name, said)
        self.assertEqual(sorted((self.repo / "staged").rglob("*")), before)
        said = self.polder("repo", "add", self.repo, "plus-1.0.0", "root.pub.pem", "--target",
                           "key.pem", status=1)
        self.assertIn("--target: a release has its own", said)
        self.polder("repo", "add", self.repo, "plus-1.0.0", "plus-1.1.0", "root.pub.pem", "--key",
                    "targets.pem")
        self.assertEqual(self.push()["approval"]["what"],
                         "begins the repository; adds plus 1.0.0 and plus 1.1.0; "
                         "adds 'root.pub.pem'")

    def test_of_two_who_stage_the_second_is_led_out(self):
        """What goes on from a former state ends at the hub, and nowhere here is it called whole."""
        self.release("1.0.0")
        other = self.scratch / "other"
        self.polder("hub", "pull", other, "--root", self.repo / "metadata/1.root.json",
                    person="bob")
        self.polder("repo", "add", self.repo, "plus-1.1.0", "--key", "targets.pem")
        self.polder("repo", "floor", other, "plus", "1.0.0", "--key", "targets.pem")
        first = json.loads(self.polder("hub", "push", other, "--json", person="bob"))["approval"]
        second = self.push()["approval"]
        warned = ("beside {}, which changes the same in another way: only one of them can be "
                  "published\n")
        self.assertIn(warned.format(first["id"]),
                      self.polder("hub", "push", self.repo, person="anna"))
        self.assertIn(f"\n{first['id']} waits {warned.format(second['id'])}",
                      self.polder("hub", "approvals", person="eve"))
        self.assertIn("\n  " + warned.format(second["id"]),
                      self.polder("hub", "approvals", first["id"], person="eve"))
        self.polder("hub", "approve", second["id"], person="bob")
        shown = self.polder("hub", "approvals", first["id"], person="eve")
        self.assertIn("raises the floor of plus to 1.0.0 (superseded)\n", shown)
        self.assertRegex(shown, r"\n  superseded by targets version 2 at \S+\n")
        self.assertEqual(self.polder("hub", "approvals", person="eve"), "nothing waits\n")
        self.assertIn("another publication came first",
                      self.polder("hub", "approve", first["id"], person="anna", status=1))
        said = self.polder("hub", "push", other, person="bob", status=1)
        self.assertRegex(said, "has another version 2 by now: 'polder repo discard .*', "
                               "'polder hub pull .*', and stage and sign it anew")
        self.polder("hub", "pull", other, person="bob")
        self.assertIn("outdated: targets version 2, of which version 2 is published: 'polder repo "
                      "discard", self.polder("repo", "show", other))
        self.assertIn("'polder repo discard", self.polder("repo", "remove", other,
                                                          "plus/1.0.0/manifest.json", status=1))
        # The way out.
        self.polder("repo", "discard", other)
        self.polder("hub", "pull", other, person="bob")
        self.polder("repo", "floor", other, "plus", "1.0.0", "--key", "targets.pem")
        again = json.loads(self.polder("hub", "push", other, "--json", person="bob"))["approval"]
        self.assertIn("approved", self.polder("hub", "approve", again["id"], person="anna"))
        self.assertTrue(self.ask("GET", f"/v1/approvals/{again['id']}")["done"])

    def want(self, version):
        """A device that is to run it, as a rollout says, and its assignment is published."""
        self.hub.end()
        with sqlite3.connect(self.hub.folder / "hub.db") as database:
            database.execute("INSERT INTO device (id, key_id, enrolled_s) VALUES "
                             "('camera-17', 'key', 1)")
            database.execute("INSERT INTO wanted (device, model, version, shadow, retry, changed) "
                             "VALUES ('camera-17', 'plus', ?, 0, 0, 1)", (version,))
        database.close()
        self.hub.start()
        deadline = time.monotonic() + 60
        while not any((self.hub.folder / "repository" / "targets").glob("assignments/*camera-17*")):
            self.assertLess(time.monotonic(), deadline, self.hub.log.read_text())
            time.sleep(0.1)

    def test_a_publication_outlives_kills(self):
        chance = random.Random(os.environ.get("POLDER_SEED", "3"))
        self.polder("repo", "add", self.repo, "plus-1.0.0", "--key", "targets.pem")
        approval = self.push()["approval"]["id"]
        root = self.scratch / "root.json"
        shutil.copy(self.repo / "staged" / "root.json", root)
        done = False
        for _ in range(30):
            connection = self.hub.connect()
            connection.request("POST", f"/v1/approvals/{approval}/approve", None,
                               {"Authorization": f"Bearer {self.people['bob']}"})
            killer = threading.Timer(chance.uniform(0, 0.05), self.hub.process.kill)
            killer.start()
            try:
                connection.getresponse().read()
            except OSError:
                pass
            except http.client.HTTPException:
                pass
            killer.join()
            self.hub.kill()
            self.hub.start()
            state = self.ask("GET", f"/v1/approvals/{approval}")
            if state["state"] == "approved":
                done = True
                break
        if not done:
            self.polder("hub", "approve", approval, person="bob")
        deadline = time.monotonic() + 60
        while self.hub.send("GET", "/repository/metadata/timestamp.json")[0] != 200:
            self.assertLess(time.monotonic(), deadline, self.hub.log.read_text())
            time.sleep(0.1)
        self.polder("repo", "verify", self.hub.folder / "repository", "--root", root)
        self.configure(root)
        self.assertEqual(self.installed(), "1.0.0")
        self.assertEqual(list((self.hub.folder / "waiting").iterdir()), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
