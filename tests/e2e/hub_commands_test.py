#!/usr/bin/python3
"""What people do at a hub, by the command line alone: tokens, enrolment, models, what it publishes
and what it did.

    hub_commands_test.py POLDER_HUB POLDER
"""
import http.server
import json
import os
import pathlib
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

import hubs
import plus_release

HUB, POLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


# A copy of a hub's folder, $1, on a disk of its own at $2 with $3 bytes free, for the command after
# these.
ON_A_SMALL_DISK = ["unshare", "--mount", "--map-root-user", "sh", "-e", "-c", """
mount -t tmpfs -o size=64m none "$2" || exit 77
cp -r "$1/." "$2"
fallocate -l $(($(df --output=avail -B1 "$2" | tail -n 1) - $3)) "$2/filler"
shift 3
"$@" """, "sh"]


class HubCommands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.hub = hubs.Hub(HUB, self.scratch / "hub", "--person-rate", 1000)
        self.addCleanup(self.hub.kill)
        self.hub.start()

    def polder(self, *words, status=0, token=None):
        done = subprocess.run(
            [POLDER, *map(str, words)], capture_output=True, text=True, timeout=120,
            cwd=self.scratch,
            env={**os.environ, "POLDER_HUB": self.hub.url(), "POLDER_HUB_CA": str(self.hub.ca()),
                 "POLDER_HUB_TOKEN": token or self.hub.token})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def json(self, *words, token=None):
        return json.loads(self.polder(*words, "--json", token=token))

    def test_tokens_for_many_devices(self):
        (self.scratch / "names.txt").write_text("\ufeff# hall 3\ncam-1\n\n  cam-2 \r\n")
        said = self.polder("fleet", "enrolment-token", "cam-0", "--names", "names.txt", "--output",
                           "new/tokens", "--valid-hours", "2")
        self.assertRegex(said, r"^3 tokens in new/tokens, until 20\d\d-")
        files = sorted((self.scratch / "new/tokens").iterdir())
        self.assertEqual([file.name for file in files],
                         ["cam-0.token", "cam-1.token", "cam-2.token"])
        for file in files:
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)
            self.assertEqual(self.enrol(file.stem, file.read_text().strip()), 201)
        many = [f"m-{i}" for i in range(1001)]
        answer = self.json("fleet", "enrolment-token", *many, "--output", "many")["tokens"]
        self.assertEqual([token["device"] for token in answer], many)
        self.assertEqual(answer[1000]["file"], "many/m-1000.token")
        self.assertNotIn("token", answer[0])
        self.assertEqual(len(list((self.scratch / "many").iterdir())), 1001)
        # Nothing is made of what is refused, and no token is lost.
        before = len(self.json("fleet", "enrolment-tokens")["tokens"])
        (self.scratch / "twice.txt").write_text("a\nb\n\na\n")
        (self.scratch / "wrong.txt").write_text("a\n../b\n")
        (self.scratch / "none.txt").write_text("# nobody\n")
        for words, why in (
                (["--names", "twice.txt", "--output", "o"], "twice.txt:4: 'a' is there twice; "
                                                            "first: twice.txt:1"),
                (["--names", "wrong.txt", "--output", "o"], "wrong.txt:2: a device's name"),
                (["--names", "none.txt", "--output", "o"], "none.txt: has no name"),
                (["--names", "gone.txt", "--output", "o"], "gone.txt"),
                (["a", "b"], "--output: a folder for 2 tokens expected"),
                ([*many, "--json"], "--output: a folder for 1001 tokens expected"),
                (["--output", "o"], "for which devices?"),
                (["default", "b", "--output", "o"], "body.devices[0] 'default'"),
                (["n", "m-7", "--output", "many"], "many/m-7.token: is there already")):
            self.assertIn(why, self.polder("fleet", "enrolment-token", *words, status=1))
        self.assertEqual(len(self.json("fleet", "enrolment-tokens")["tokens"]), before)
        self.assertEqual(list(self.scratch.glob("o/*")), [])

    def enrol(self, name, token):
        csr = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", self.scratch / f"{name}.pem", "-subj", f"/CN={name}"],
            check=True, capture_output=True, text=True).stdout
        return self.hub.ask("POST", "/v1/enrol", {"token": token, "csr": csr})[0]

    def test_the_program_says_what_it_takes(self):
        def program(*words, status):
            done = subprocess.run([HUB, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, status, done)
            return done.stdout + done.stderr
        self.assertEqual(program("serve", "--help", status=0).count("may be repeated"), 1)
        said = program("copy", "--from", "hub.db", "--to", "mysql://hub:geheim@host/hub", status=2)
        self.assertIn("a URL of 'mysql' given", said)
        self.assertNotIn("geheim", said)

    def a_backup_is_encrypted(self, folder):
        sealed, into = self.scratch / "sealed", self.scratch / "into"
        file, other = self.scratch / "passphrase", self.scratch / "another"

        def program(*words, status=0, **environment):
            done = subprocess.run([HUB, *map(str, words)], capture_output=True, text=True,
                                  timeout=60, env={**os.environ, **environment})
            self.assertEqual(done.returncode, status, done)
            return done.stdout if status == 0 else done.stderr
        back_up = ("backup", sealed, "--folder", folder)
        self.assertIn("--passphrase-file: a file expected",
                      program(*back_up, "--passphrase-file", "", status=2))
        self.assertIn("No such file", program(*back_up, "--passphrase-file", file, status=1))
        file.write_text("")
        self.assertIn("chmod 600", program(*back_up, "--passphrase-file", file, status=1))
        file.chmod(0o600)
        self.assertIn("which is empty", program(*back_up, "--passphrase-file", file, status=1))
        file.write_text("correct horse\nwhat follows is not read\n")
        self.assertIn("it is encrypted: without its passphrase nobody can restore it",
                      program(*back_up, POLDER_PASSPHRASE_FILE=str(file)))
        self.assertNotIn(b"PRIVATE KEY", (sealed / "ca-key.pem").read_bytes())
        subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=sealed,
                       check=True)
        restore = ("restore", sealed, "--folder", into)
        self.assertIn("is encrypted: give the file", program(*restore, status=1))
        other.write_text("correct horses")
        other.chmod(0o600)
        self.assertIn("this passphrase does not open it",
                      program(*restore, "--passphrase-file", other, status=1))
        self.assertFalse(into.exists())
        other.write_text("correct horse")
        program(*restore, "--passphrase-file", other)
        self.assertEqual((into / "ca-key.pem").read_bytes(), (folder / "ca-key.pem").read_bytes())

    # Of one in the clear nothing is made there, and so it is taken where hardly anything is free.
    def test_a_backup_leaves_room_on_the_disk_of_the_hub(self):
        folder, disk, file = self.scratch / "hub", self.scratch / "disk", self.scratch / "secret"
        self.hub.kill()
        disk.mkdir()
        file.write_text("correct horse")
        file.chmod(0o600)
        database = sqlite3.connect(folder / "hub.db")
        pages, = database.execute("SELECT page_count * page_size "
                                  "FROM pragma_page_count, pragma_page_size").fetchone()
        database.close()

        def back_up(name, free, *options):
            words = [*ON_A_SMALL_DISK, folder, disk, free, HUB, "backup", self.scratch / name,
                     "--folder", disk, *options]
            done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
            if done.returncode == 77:
                self.skipTest(f"nothing can be mounted here: {done.stderr}")
            return done
        sealed = "--passphrase-file", file
        refused = back_up("none", pages * 9 // 8, *sealed)
        self.assertEqual(refused.returncode, 1, refused)
        self.assertIn("and an encrypted backup needs", refused.stderr)
        self.assertFalse((self.scratch / "none").exists())
        for name, free, options in ("sealed", pages * 3 // 2, sealed), ("clear", pages // 2, ()):
            done = back_up(name, free, *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertFalse((self.scratch / name / ".backup").exists())

    def test_the_program_prints_json_and_completes_itself(self):
        folder, backup = self.scratch / "hub", self.scratch / "backup"

        def program(*words, status=0):
            done = subprocess.run([HUB, *map(str, words), "--folder", folder, "--json"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, status, done)
            return json.loads(done.stdout)
        token = program("admin-token")["token"]
        self.assertEqual(json.loads(self.polder("hub", "tokens", "--json", token=token)).keys(),
                         {"tokens"})
        made = program("backup", backup)
        self.assertEqual(made["folder"], str(backup))
        self.assertGreater(made["files"], 5)
        self.assertEqual(program("backup", backup, status=1)["error"]["code"], "denied")
        self.a_backup_is_encrypted(folder)
        self.hub.kill()
        hub = subprocess.Popen([HUB, "serve", "--folder", folder, "--listen", "127.0.0.1:0",
                                "--json"], stdout=subprocess.PIPE, text=True)
        said = json.loads(hub.stdout.readline())
        hub.terminate()
        self.assertEqual(hub.wait(60), 0)
        hub.stdout.close()
        self.assertEqual(said["authority"], str(folder / "ca.pem"))
        self.assertRegex(said["url"], r"^https://.+:\d+$")
        self.assertNotIn("admin_token", said)  # it has people
        script = subprocess.run([HUB, "completion", "bash"], capture_output=True, text=True,
                                check=True).stdout
        done = subprocess.run(
            ["bash", "-c", f"{script}\nCOMP_WORDS=(polder-hub back); COMP_CWORD=1\n"
                           "_polder-hub; echo \"${COMPREPLY[@]}\""],
            capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "backup", done.stderr)

    def test_tokens_of_people(self):
        anna = self.polder("hub", "add-token", "anna", "operator", "--valid-days", 30).strip()
        self.assertTrue(anna.startswith("polder-person-"), anna)
        self.assertIn("needs admin", self.polder("hub", "tokens", token=anna, status=1))
        self.assertRegex(self.polder("hub", "tokens"),
                         r"^ID +NAME +ROLE .*\n(.*\n)*\w+  anna +operator +\S+ +\S+Z +-\n")
        one = next(one for one in self.json("hub", "tokens")["tokens"] if one["name"] == "anna")
        self.assertEqual(self.polder("hub", "revoke-token", one["id"]),
                         f"revoked: token {one['id']}\n")
        self.assertIn("the hub says", self.polder("fleet", "status", token=anna, status=1))
        self.assertIn("the hub says",
                      self.polder("hub", "add-token", "polder-hub", "viewer", status=1))
        self.assertIn("viewer, operator, releaser or admin expected",
                      self.polder("hub", "add-token", "bob", "king", status=2))

    def test_what_is_wrong_says_where_it_is_set(self):
        said = self.polder("fleet", "status", "--ca", "", status=1)
        self.assertIn("set --ca FILE, or POLDER_HUB_CA, to its certificate", said)
        odd = self.scratch / "odd.token"
        odd.write_text("polder person\n")
        said = self.polder("fleet", "status", "--token-file", odd, status=1)
        self.assertIn(f"{odd}: has a character", said)
        said = self.polder("fleet", "status", token="polder person", status=1)
        self.assertIn("POLDER_HUB_TOKEN: has a character", said)

    def pretend(self, answers):
        """A hub that answers so, [(status, document)...], whatever it is asked; and what it was
        asked: [(method, path, Idempotency-Key)...]."""
        asked = []

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.command, self.path, self.headers["Idempotency-Key"]))
                status, document = answers[len(asked) - 1]
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(text)
            do_POST = do_GET

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.hub.folder / "server.pem", self.hub.folder / "server-key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"https://127.0.0.1:{server.server_address[1]}", asked

    def test_lists_are_walked_to_their_end(self):
        rollout = {"id": "r1", "model": "plus", "version": "1.0.0", "phase": "done", "stage": 0,
                   "stages": [{}], "query": "", "reason": ""}
        approval = {"id": "a1", "state": "open", "kind": "alias", "asked": "x", "asked_by": "x",
                    "what": "x"}
        windows = [{"time": f"2026-11-28T00:0{minute}:00Z"} for minute in range(4)]
        for words, path, member, first, second in (
                ("hub tokens", "/v1/tokens", "tokens", [{"id": "1"}], [{"id": "2"}]),
                ("hub models", "/v1/models", "models", [{"name": "a"}], [{"name": "b"}]),
                ("hub approvals", "/v1/approvals", "approvals", [approval], [approval]),
                ("rollout list", "/v1/rollouts", "rollouts", [rollout], [rollout]),
                ("fleet enrolment-tokens", "/v1/enrolment-tokens", "tokens", [{"id": "1"}],
                 [{"id": "2"}]),
                ("fleet metrics cam-1", "/v1/devices/cam-1/metrics", "windows", windows[2:],
                 windows[:2])):
            url, asked = self.pretend([(200, {member: first, "next": f"{path}?more"}),
                                       (200, {member: second})])
            found = json.loads(self.polder(*words.split(), "--json", "--hub", url))[member]
            self.assertEqual(len(found), len(first) + len(second), words)
            self.assertEqual(asked[1][1], f"{path}?more")
        self.assertEqual(found, windows)

    def test_a_hub_that_lies_does_nothing_to_the_terminal(self):
        odd, digest, time = "\x1b[2J\x9b8m\u202e", "a" * 64, "2026-12-01T00:00:00Z"
        changes = {"files": [{"role": odd, "version": 2, "expires": time}],
                   "trust": [{"role": odd, "added_keys": ["aa"], "removed_keys": [odd],
                              "threshold": 1, "threshold_before": 1, "paths": [odd],
                              "paths_before": []}],
                   "targets": [{"role": odd, "path": odd, "sha256": digest, "problem": odd}],
                   "floors": [{"model": odd, "before": "", "after": "1.0.0"}], "other": [odd]}
        details = {"key_names": {digest: odd}, "changes": changes,
                   "signatures": [{"role": odd, "key": odd}, {"role": "root", "key": digest}]}
        approval = {"id": odd, "state": odd, "kind": "publication", "what": odd, "asked": time,
                    "asked_by": odd, "decided": time, "decided_by": odd, "done": odd,
                    "details": details}
        url, _ = self.pretend([(200, approval)] * 3)
        for words in (("approvals", "a1"), ("approve", "a1"), ("reject", "a1")):
            shown = self.polder("hub", *words, "--hub", url)
            self.assertTrue(all(c.isprintable() or c == "\n" for c in shown), ascii(shown))
        changes["trust"][0]["added_keys"] = [odd]
        url, _ = self.pretend([(200, approval)])
        shown = self.polder("hub", "approvals", "a1", "--hub", url, status=1)
        self.assertIn("added_keys: an id in hexadecimal digits expected, '?[2J?8m?'", shown)

    def test_a_hub_names_no_key_but_its_own(self):
        ids = ["a" * 64, "b" * 64]
        changes = {"files": [], "trust": [], "targets": [], "floors": [], "other": []}
        details = {"key_names": {ids[0]: "targets.pem"}, "changes": changes,
                   "signatures": [{"role": "targets", "key": id} for id in ids]}
        approval = {"id": "a1", "state": "open", "kind": "publication", "what": "adds x",
                    "details": details}
        url, _ = self.pretend([(200, approval)] * 3)
        shown = self.polder("hub", "approvals", "a1", "--hub", url)
        self.assertIn(f"signed by {ids[0]} (the hub's own, as it says)\n", shown)
        details["key_names"][ids[1]] = "root.pem"
        self.assertNotIn("(the", self.polder("hub", "approvals", "a1", "--hub", url))
        said = self.polder("hub", "approvals", "a1", "--hub", url, "--repo", "nowhere", status=1)
        self.assertIn("nowhere: no repository is here", said)
        self.assertIn("which ID?", self.polder("hub", "approvals", "--repo", "nowhere", status=2))

    def test_what_is_asked_again_has_the_same_key(self):
        busy = (503, {"code": "unavailable", "detail": "busy"})
        url, asked = self.pretend([busy, busy, (201, {"token": "one"}), (201, {"token": "two"})])
        for token in ("one", "two"):
            self.assertEqual(self.polder("hub", "add-token", "anna", "viewer", "--hub", url),
                             f"{token}\n")
        keys = [key for _, _, key in asked]
        self.assertRegex(keys[0], "^[0-9a-f]{32}$")
        self.assertEqual(keys[:3], [keys[0]] * 3)
        self.assertNotEqual(keys[3], keys[0])

    def test_a_device_enrols_and_is_revoked(self):
        token = self.polder("fleet", "enrolment-token", "cam-1", "--valid-hours", 2).strip()
        self.assertEqual(self.enrol("cam-2", token), 403)
        self.assertEqual(self.enrol("cam-1", token), 201)
        self.assertRegex(self.polder("fleet", "enrolment-tokens"), r"\w+  cam-1 .* cam-1 +-\n")
        lost = self.polder("fleet", "enrolment-token").strip()
        named = self.json("fleet", "enrolment-tokens")["tokens"]
        self.polder("fleet", "revoke-enrolment-token",
                    next(one["id"] for one in named if one["device"] is None))
        self.assertEqual(self.enrol("cam-2", lost), 403)
        self.assertRegex(self.polder("fleet", "status"), r"devices +1\n")
        self.assertEqual(self.polder("fleet", "metrics", "cam-1"),
                         "nothing was counted in this time\n")
        self.assertIn("--from", self.polder("fleet", "metrics", "--help"))
        self.assertRegex(self.polder("fleet", "devices"), r"DEVICE +SEEN +RUNS +TAGS\ncam-1 +never")
        self.assertIn("revoked: cam-1;", self.polder("fleet", "revoke", "cam-1"))
        self.assertIn("(revoked)", self.polder("fleet", "devices"))
        self.devices_are_found_by_what_they_are()
        self.assertIn("no device of this name", self.polder("fleet", "revoke", "cam-9", status=1))
        self.assertRegex(self.polder("hub", "log", "--object", "cam-1"),
                         r"\d+ +\S+ +admin +device_revoked +cam-1 ")
        last = self.json("hub", "log", "--limit", 1)["entries"][0]["sequence"]
        (self.scratch / "proof.json").write_text(self.polder("hub", "proof", last))
        (self.scratch / "log.pub.pem").write_text(self.json("hub", "checkpoint")["key"])
        self.assertIn("polder-hub", self.polder("hub", "checkpoint"))
        self.polder("audit", "check-proof", "proof.json", "--key", "log.pub.pem")

    def devices_are_found_by_what_they_are(self):
        def found(*words):
            return self.polder("fleet", "devices", *words)
        self.assertIn("cam-1", found("--revoked", "true"))
        for words in (("--revoked", "false"), ("--health", "failed"), ("--target", "arm64"),
                      ("--version", "people=1.2.0"), ("--unseen", "1d")):
            self.assertEqual(found(*words), "no devices\n")
        self.assertIn("MODEL=VERSION", self.polder("fleet", "devices", "--version", "1.2.0",
                                                   status=2))
        self.assertIn("90m, 12h or 1d", self.polder("fleet", "devices", "--unseen", "1 day",
                                                    status=2))
        self.assertIn("idle, starting, well", self.polder("fleet", "devices", "--health", "ill",
                                                          status=2))

    def test_groups_are_names_for_queries(self):
        for name in ("cam-3", "cam-4"):
            token = self.polder("fleet", "enrolment-token", name).strip()
            self.assertEqual(self.enrol(name, token), 201)
        self.assertEqual(self.polder("fleet", "tag", "cam-3", "hall=north", "line=3"),
                         "cam-3: has the tags hall=north,line=3\n")
        self.assertIn("no groups", self.polder("fleet", "groups"))
        self.assertRegex(self.polder("fleet", "group", "north", "--query", "line=3,hall=north"),
                         r"query +hall=north,line=3\n")
        self.assertRegex(self.polder("fleet", "groups"),
                         r"^NAME +QUERY +DEVICES\nnorth +hall=north,line=3 +1\n$")
        listed = self.polder("fleet", "devices", "--group", "north")
        self.assertIn("cam-3", listed)
        self.assertNotIn("cam-4", listed)
        both = self.polder("fleet", "devices", "--group", "north", "--query", "a=b", status=1)
        self.assertIn("one of them", both)
        self.assertIn("no group of this name",
                      self.polder("rollout", "create", "plus", "1.0.0", "--group", "south",
                                  status=1))
        self.polder("fleet", "group", "north", "--remove")
        self.assertIn("no group of this name", self.polder("fleet", "group", "north", status=1))
        self.assertRegex(self.polder("hub", "log", "--object", "north"), "removed.*\n.*group_set")

    def test_models_aliases_and_the_repository(self):
        self.assertEqual(self.polder("hub", "models"), "no model is published\n")
        self.assertEqual(self.polder("hub", "releases"), "no releases\n")
        self.assertRegex(self.polder("hub", "repository"), r"version +0\n")
        self.hub.let_assign(POLDER, self.scratch / "releaser")
        roles = {one["role"]: one["online"] for one in self.json("hub", "repository")["roles"]}
        self.assertEqual(roles, {"root": False, "targets": False, "snapshot": True,
                                 "timestamp": True, "assignments": True})
        shown = self.polder("hub", "repository")
        self.assertRegex(shown, r"ROLE +VERSION +EXPIRES +KEYS +ONLINE .*\n(.*\n)*"
                                r"  assignments .* true ")
        self.assertIn("\n-----BEGIN PUBLIC KEY-----\n", shown)
        self.publish()
        self.assertRegex(self.polder("hub", "models"), r"VERSIONS.*\nplus +1\.0\.0 +-\n")
        self.assertRegex(self.polder("hub", "releases", "--model", "plus"),
                         r"plus +1\.0\.0 +published +\S+ +anna +admin\n")
        self.assertEqual(self.json("hub", "releases", "plus", "1.0.0")["license"], "Apache-2.0")
        self.assertIn("MODEL VERSION", self.polder("hub", "releases", "plus", status=1))
        self.assertEqual(self.polder("hub", "alias", "plus", "newest", "1.0.0"),
                         "plus: newest is 1.0.0\n")
        self.assertIn("newest=1.0.0", self.polder("hub", "models"))
        self.assertRegex(self.polder("hub", "alias", "plus", "champion", "1.0.0"),
                         r"champion is to be 1\.0\.0: waits .* 'polder hub approve \w+'")
        self.assertRegex(self.polder("hub", "approvals"), r"ID +STATE +ASKED +ASKED BY +WHAT\n"
                         r"\w+ +open +\S+ +admin +makes plus 1\.0\.0 the champion\n")
        self.assertIn("no approval with this id", self.polder("hub", "approvals", "a1", status=1))
        self.assertIn("no rollout of this name",
                      self.polder("rollout", "devices", "r1", status=1))

    def publish(self):
        folder = self.scratch / "releaser"
        plus_release.make(self.polder, self.scratch)
        self.polder("hub", "pull", folder / "repo")
        self.polder("repo", "add", folder / "repo", "plus", "--key", folder / "targets.pem")
        anna = self.polder("hub", "add-token", "anna", "releaser").strip()
        pushed = self.json("hub", "push", folder / "repo", token=anna)
        shown = self.polder("hub", "approvals", pushed["approval"]["id"], "--repo", folder / "repo")
        self.assertRegex(shown, r"publication \w+\nadds plus 1\.0\.0 \(open\)\n"
                                r"  asked by anna at \S+\n"
                                r"  targets signed by \w{64} \(.*/targets\.pem\)\n"
                                r"against what is published:\n"
                                r"  targets version 2 until \S+, was 1 until \S+\n"
                                r"  \+ plus/1\.0\.0/manifest\.json \w{12}\n$")
        # What a hub signs nobody else is asked to; what it has is not sent again.
        shown = self.polder("repo", "show", folder / "repo")
        self.assertIn("complete: 'polder hub push' asks the hub to publish it", shown)
        self.assertRegex(shown, r"timestamp .* hours left; the hub renews it\)")
        self.polder("hub", "approve", pushed["approval"]["id"])
        said = self.polder("hub", "push", folder / "repo", token=anna, status=1)
        self.assertRegex(said, "targets version 2 is published by .* already: 'polder hub pull")
        self.polder("hub", "pull", folder / "repo")
        self.assertIn("has all that was published",
                      self.polder("hub", "push", folder / "repo", "--again", token=anna))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
