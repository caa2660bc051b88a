#!/usr/bin/python3
"""A hub and a device that enrols with it: the real programs, over TLS, by clients of others.

    hub_test.py POLDER_HUB POLDERD POLDER [TEST...]   POLDER_SEED and POLDER_KILLS: of the kills
"""
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import random
import resource
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import hub_loads
import hubs

HUB = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
POLDER = pathlib.Path(sys.argv[3]).resolve()
PEOPLE = ("INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
          "publication, is_runtime, details) VALUES ('people', '1.0.0', '', 'published', 0, '', "
          "'', 0, '{}')")


class Hub(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.hub = hubs.Hub(HUB, self.scratch / "hub")
        self.addCleanup(self.hub.kill)

    def end(self):
        """As a service manager does."""
        self.assertEqual(self.hub.end(), 0)

    def refused(self, *words, status=1, environment=None):
        """What it says on stderr when it does not start."""
        done = subprocess.run([HUB, *map(str, words)], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(environment or {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr

    # --- Its clients -----------------------------------------------------------------------------

    def ask(self, method, target, body=None, token=None, device=None, connection=None, headers={}):
        """(status, document, headers)."""
        status, answered, text = self.hub.send(method, target, body, headers, token, device,
                                               connection)
        if status >= 400:
            self.assertEqual(answered["Content-Type"], "application/problem+json")
            self.assertEqual(json.loads(text)["request_id"], answered["X-Request-Id"])
        return status, json.loads(text) if text else None, answered

    def raw(self, data, more=b""):
        """What is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.hub.port), timeout=30) as plain:
            with self.hub.context().wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(data)
                try:
                    secure.sendall(more)
                except OSError:
                    pass
                answer = b""
                try:
                    while block := secure.recv(65536):
                        answer += block
                except OSError:
                    pass
                return answer

    def problem_of(self, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"application/problem+json", head, answer[:300])
        self.assertIn(b"Connection: close", head)
        status = int(head.split()[1])
        self.assertEqual(json.loads(body)["status"], status)
        return status

    # --- Devices ---------------------------------------------------------------------------------

    def device(self, name):
        """Its key, made by polderd, and its request."""
        folder = self.scratch / name
        config = self.scratch / f"{name}.toml"
        config.write_text(f'device = "{name}"\nfolder = "{folder}"\nmodels = ["voice"]\n'
                          f'repository = "{self.scratch}"\nroot = "{self.scratch}/root.json"\n')
        csr = ""
        for words in (["create"], ["csr"]):
            done = subprocess.run([POLDERD, "identity", *words, "--config", config],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            csr = done.stdout
        return folder / "identity" / "key.pem", csr

    def keep(self, name, answer):
        path = self.scratch / f"{name}.crt"
        path.write_text(answer["certificate"])
        return path

    # --- Tests -----------------------------------------------------------------------------------

    def test_it_starts_with_nothing_and_ends_in_order(self):
        said = self.hub.start().said
        ca = self.hub.folder / "ca.pem"
        printed = subprocess.run(["openssl", "x509", "-in", ca, "-noout", "-fingerprint",
                                  "-sha256"], capture_output=True, text=True, check=True).stdout
        self.assertIn(printed.split("=")[1].strip(), said)
        for file in self.hub.folder.iterdir():
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)
        done = subprocess.run(["curl", "-sS", "--cacert", ca, f"https://127.0.0.1:{self.hub.port}"
                               "/healthz"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, '{"status":"ok"}\n', done.stderr)
        self.assertEqual(self.ask("GET", "/openapi.json")[1]["openapi"], "3.1.0")
        before = ca.read_bytes()
        self.end()
        # Again: the same authority, and nobody gets another token.
        self.assertNotIn("polder-person", self.hub.start().said)
        self.assertEqual(ca.read_bytes(), before)
        self.assertEqual(self.ask("GET", "/v1/tokens", token=self.hub.token)[0], 200)
        # Another token is made beside it.
        done = subprocess.run([HUB, "admin-token", "--folder", self.hub.folder],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.ask("GET", "/v1/tokens", token=done.stdout.strip())[0], 200)
        self.end()
        audit = self.hub.folder / "audit.log"
        public = self.scratch / "audit.pub.pem"
        public.write_text(subprocess.run(
            ["openssl", "pkey", "-in", self.hub.folder / "audit-key.pem", "-pubout"],
            capture_output=True, text=True, check=True).stdout)
        report = json.loads(subprocess.run(
            [POLDER, "audit", "verify", audit, "--key", public, "--json"], capture_output=True,
            text=True, check=True).stdout)
        self.assertEqual((report["entries"], report["covered"]), (3, 3), report)

    def test_a_device_enrols_renews_and_is_revoked(self):
        self.hub.start()
        key, csr = self.device("camera-17")
        token = self.hub.enrolment_token()
        status, answer, _ = self.ask("POST", "/v1/enrol", {"token": token, "csr": csr})
        self.assertEqual(status, 201, answer)
        first = self.keep("first", answer)
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient",
                               "-CAfile", self.hub.folder / "ca.pem", first],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        status, known, _ = self.ask("GET", "/v1/self", device=(first, key))
        self.assertEqual((status, known["id"]), (200, "camera-17"))
        # By curl, as the guide has it.
        done = subprocess.run(["curl", "-sS", "--cacert", self.hub.ca(), "--cert", first, "--key",
                               key, self.hub.url() + "/v1/self"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(json.loads(done.stdout)["id"], "camera-17", done.stderr)
        # As if half of its time were over.
        with sqlite3.connect(self.hub.folder / "hub.db", timeout=30) as database:
            database.execute("UPDATE certificate SET issued_s = issued_s - 100 * 86400")
        database.close()
        status, answer, _ = self.ask("POST", "/v1/renew", {"csr": csr}, device=(first, key))
        self.assertEqual(status, 201, answer)
        second = self.keep("second", answer)
        self.assertEqual(self.ask("GET", "/v1/self", device=(second, key))[0], 200)
        # The first is a copy's by now.
        status, why, _ = self.ask("POST", "/v1/renew", {"csr": csr}, device=(first, key))
        self.assertEqual((status, why["code"]), (409, "incompatible"))
        status, shown, headers = self.ask("GET", "/v1/devices", token=self.hub.token)
        self.assertIsNotNone(shown["devices"][0]["duplicate"])
        self.assertEqual(self.ask("GET", "/v1/devices", token=self.hub.token,
                                  headers={"If-None-Match": headers["ETag"]})[0], 304)
        # A connection that is open when it is revoked serves it no longer either.
        open_one = self.hub.connect((second, key))
        self.assertEqual(self.ask("GET", "/v1/self", connection=open_one)[0], 200)
        self.assertEqual(self.ask("POST", "/v1/devices/camera-17/revoke",
                                  token=self.hub.token)[0], 204)
        self.assertEqual(self.ask("GET", "/v1/self", connection=open_one)[0], 401)
        self.assertEqual(self.ask("GET", "/v1/self", device=(second, key))[0], 401)
        self.assertEqual(self.ask("POST", "/v1/enrol", {"token": token, "csr": csr})[0], 403)

    def test_who_renews_without_end_gets_the_same(self):
        self.hub.start()
        key, csr = self.device("camera-17")
        answer = self.ask("POST", "/v1/enrol", {"token": self.hub.enrolment_token(), "csr": csr})[1]
        first = self.keep("first", answer)
        for _ in range(3):
            status, again, _ = self.ask("POST", "/v1/renew", {"csr": csr}, device=(first, key))
            self.assertEqual((status, again["certificate"]), (201, answer["certificate"]))

    def test_sessions_are_resumed_with_their_certificate(self):
        self.hub.start()
        key, csr = self.device("camera-17")
        answer = self.ask("POST", "/v1/enrol", {"token": self.hub.enrolment_token(), "csr": csr})[1]
        context = self.hub.context((self.keep("first", answer), key))
        request = b"GET /v1/self HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"

        def talk(session):
            with socket.create_connection(("127.0.0.1", self.hub.port), timeout=30) as plain:
                with context.wrap_socket(plain, server_hostname="127.0.0.1",
                                         session=session) as secure:
                    secure.sendall(request)
                    answer = b""
                    while block := secure.recv(65536):
                        answer += block
                    self.assertIn(b"200 OK", answer)
                    self.assertEqual(secure.version(), "TLSv1.3")
                    return secure.session, secure.session_reused
        session, reused = talk(None)
        self.assertFalse(reused)
        self.assertTrue(talk(session)[1])

    def test_what_is_no_good_client_is_told_so(self):
        self.hub.start()
        old = self.hub.context()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(ssl.SSLError):
            self.ask("GET", "/healthz", connection=self.hub.connect(context=old))
        # A certificate of nobody: the handshake says nothing of it, the answer does.
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=camera-17",
                        "-keyout", self.scratch / "k.pem", "-out", self.scratch / "c.pem"],
                       check=True, capture_output=True)
        status, why, _ = self.ask("GET", "/v1/self",
                                  device=(self.scratch / "c.pem", self.scratch / "k.pem"))
        self.assertEqual(status, 401)
        self.assertIn("certificate", why["detail"])
        self.assertEqual(self.problem_of(self.raw(b"hello\r\n\r\n")), 400)
        self.assertEqual(self.problem_of(self.raw(b"GET / HTTP/1.1\r\nX y\r\n\r\n")), 400)
        self.assertEqual(self.problem_of(self.raw(
            b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n")), 431)
        head = b"POST /v1/enrol HTTP/1.1\r\nContent-Type: application/json\r\n"
        self.assertEqual(self.problem_of(self.raw(head + b"Content-Length: 100000\r\n\r\n")), 413)
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        self.assertEqual(self.problem_of(self.raw(
            head + b"Transfer-Encoding: chunked\r\n\r\n", chunk * 5)), 413)
        # Many send all before they read: what comes is read to its end, and refused.
        for target, kind, most in (("/v1/tokens", "application/json", 65536),
                                   (f"/v1/uploads/{'a' * 64}?total=9", "application/octet-stream",
                                    1 << 20)):
            status, _, text = self.hub.send("POST", target, b" " * (3 << 20),
                                            {"Content-Type": kind}, self.hub.token)
            self.assertEqual(status, 413, text)
            self.assertEqual(json.loads(text)["detail"], f"a body has at most {most} bytes here")
        # Without its size: as much as the route takes.
        piece = random.Random(3).randbytes(200_000)
        target = f"/v1/uploads/{hashlib.sha256(piece).hexdigest()}?total={len(piece)}"
        for pieces, expected in (([piece], 200), ([piece] * 6, 413)):
            connection = self.hub.connect()
            connection.request("POST", target, iter(pieces), {
                "Content-Type": "application/octet-stream",
                "Authorization": f"Bearer {self.hub.token}"}, encode_chunked=True)
            response = connection.getresponse()
            self.assertEqual(response.status, expected, response.read())
        # Whoever goes in the middle is not missed.
        with socket.create_connection(("127.0.0.1", self.hub.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        one = self.hub.connect()
        for _ in range(3):
            self.assertEqual(self.ask("GET", "/healthz", connection=one)[0], 200)
        self.assertEqual(self.ask("HEAD", "/healthz", connection=one)[:2], (200, None))
        self.assertEqual(self.ask("GET", "/healthz", connection=one)[0], 200)
        self.assertEqual(self.ask("GET", "/v1/nothing", connection=one)[0], 404)
        self.assertEqual(self.ask("DELETE", "/healthz", connection=one)[0], 405)
        self.assertIn("GET", self.ask("DELETE", "/healthz")[2]["Allow"])

    def test_who_holds_connections_and_says_nothing_keeps_nobody_out(self):
        most = 4000  # of one address
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * most:
            self.skipTest(f"{hard} open files at most")
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.hub.start()
        silent = []
        self.addCleanup(lambda: [one.close() for one in silent])
        for _ in range(most + 10):
            silent.append(socket.create_connection(("127.0.0.1", self.hub.port), timeout=60))
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(silent[0].recv(1), b"", "who was silent for longest has made room")

    def test_what_keeps_it_from_starting_is_said(self):
        self.hub.start()
        port = str(self.hub.port)
        self.assertIn("one hub serves a folder",
                      self.refused("serve", "--folder", self.hub.folder, "--listen", "127.0.0.1:0"))
        other = self.scratch / "other"
        self.assertIn("another program listens there",
                      self.refused("serve", "--folder", other, "--listen", f"127.0.0.1:{port}"))
        self.end()
        key = self.hub.folder / "ca-key.pem"
        key.chmod(0o644)
        self.assertIn("chmod", self.refused("serve", "--folder", self.hub.folder))
        key.chmod(0o600)
        saved = key.rename(self.scratch / "saved.pem")
        self.assertIn("put it back", self.refused("serve", "--folder", self.hub.folder))
        key.write_bytes((other / "ca-key.pem").read_bytes())
        key.chmod(0o600)
        self.assertIn("another key", self.refused("serve", "--folder", self.hub.folder))
        saved.replace(key)
        with sqlite3.connect(self.hub.folder / "hub.db") as database:
            database.execute("UPDATE hub_schema SET version = 1000")
        database.close()
        for words in ("serve",), ("admin-token",), ("rekey",), ("backup", self.scratch / "none"):
            self.assertIn("tables of version 1000",
                          self.refused(*words, "--folder", self.hub.folder))
        foreign = self.scratch / "foreign"
        foreign.mkdir()
        with sqlite3.connect(foreign / "hub.db") as database:
            database.execute("CREATE TABLE invoice (id INTEGER)")
        database.close()
        before = (foreign / "hub.db").read_bytes()
        for words in ("serve",), ("admin-token",):
            self.assertIn("something else (invoice)", self.refused(*words, "--folder", foreign))
        self.assertEqual((foreign / "hub.db").read_bytes(), before)
        file = self.scratch / "file"
        file.write_text("")
        self.assertIn(str(file), self.refused("serve", "--folder", file / "hub"))
        self.assertIn("did you mean '--folder'",
                      self.refused("serve", "--foldr", file, status=2))
        for listen in ("8443", ":8443", "a:b", "::1:8443", "127.0.0.1:99999"):
            self.assertIn("--listen", self.refused("serve", "--listen", listen, status=2))
        for database in "mysql://host/hub", "hub.db", "":
            self.assertIn("--database: postgres://",
                          self.refused("serve", "--database", database, status=2))
        moved = (self.hub.folder / "hub.db").rename(self.scratch / "moved.db")
        for _ in range(2):
            self.assertIn("the hub's database is not there: name the one that it had",
                          self.refused("serve", "--folder", self.hub.folder))
        self.assertFalse((self.hub.folder / "hub.db").exists())
        (self.hub.folder / "hub.db").touch()
        self.assertIn("the hub's database is empty: name the one that it had",
                      self.refused("serve", "--folder", self.hub.folder))
        self.assertIn("the database is empty", self.refused(
            "copy", "--from", self.hub.folder / "hub.db", "--to", self.scratch / "to.db"))
        self.assertFalse((self.scratch / "to.db").exists())
        moved.rename(self.hub.folder / "hub.db")
        nowhere = self.scratch / "nowhere"
        self.assertIn("no hub has been here", self.refused("admin-token", "--folder", nowhere))
        self.assertFalse(nowhere.exists())
        self.assertIn("did you mean 'serve'", self.refused("serv", status=2))
        help_text = subprocess.run([HUB, "serve", "--help"], capture_output=True, text=True).stdout
        self.assertIn("example:\n  polder-hub serve\n", help_text)

    def publish_people(self):
        """For aliases: that there is a release is enough."""
        with sqlite3.connect(self.hub.folder / "hub.db", timeout=30) as database:
            database.execute(PEOPLE)
        database.close()

    def test_what_was_acknowledged_outlives_a_kill(self):
        seed, kills = (int(os.environ.get(name, usual)) for name, usual in
                       (("POLDER_SEED", 7), ("POLDER_KILLS", 4)))
        self.hub.options = ("--person-rate", 1000)
        self.hub.start()
        self.hub.let_assign(POLDER, self.scratch / "releaser")
        self.publish_people()
        devices = {}
        for name in ("cam-1", "cam-2", "cam-3"):
            key, csr = self.device(name)
            answer = self.ask("POST", "/v1/enrol",
                              {"token": self.hub.enrolment_token(), "csr": csr})[1]
            devices[name] = (self.keep(name, answer), key)
        chance, load, kept = random.Random(seed), hub_loads.Load(self.scratch, devices), 0
        for turn in range(kills):
            acts = load.turn(self.hub)
            chance.shuffle(acts)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = [pool.submit(act.send, self.hub) for act in acts]
                wanted = chance.randrange(1, 16)
                while sum(answer.done() for answer in answers) < wanted:
                    time.sleep(0.001)
                self.hub.process.kill()
                answers = [answer.result() for answer in answers]
            self.hub.kill()
            self.hub.start()
            what = f"seed {seed}, kill {turn + 1}: "
            for act, answer in zip(acts, answers):
                if answer:
                    kept += 1
                    self.assertIn(answer[0], (200, 201), what + f"{act.name}: {answer[1]}")
                    self.assertEqual(act.count(self.hub), 1, what + act.name)
            # Whoever asks again, with an answer or without one, has it done once.
            for act, answer in zip(acts, answers):
                was_done = act.count(self.hub)
                status, document = act.send(self.hub)
                self.assertIn(status, act.again if was_done else (200, 201),
                              what + f"{act.name}: {document}")
                self.assertEqual(act.count(self.hub), 1, what + act.name)
        print(f"seed {seed}: {kills} kills, {kept} answers kept", file=sys.stderr)
        self.assertGreaterEqual(kept, kills)
        self.end()
        self.assertEqual(self.enrolled_by_the_log(), sorted({*load.enrolled, *devices}))
        people = self.objects_of("token_created")
        self.assertEqual([one for one in people if one in load.people], sorted(load.people))

    def enrolled_by_the_log(self):
        """Once for each entry."""
        return self.objects_of("device_enrolled")

    def objects_of(self, act):
        entries = map(json.loads, (self.hub.folder / "audit.log").read_text().splitlines())
        return sorted(one["object"] for one in entries if one["act"] == act)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
