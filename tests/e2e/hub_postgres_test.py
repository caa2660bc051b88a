#!/usr/bin/python3
"""A hub whose database is PostgreSQL: what a kill of either leaves, how it moves there and back,
and that two do not serve one.

    postgres_test.py /usr/bin/python3 hub_postgres_test.py POLDER_HUB POLDERD POLDER
"""
import concurrent.futures
import http.client
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "hub")]
import hub_test  # noqa: E402
import postgres_test  # noqa: E402


class HubOnPostgres(hub_test.Hub):
    def setUp(self):
        super().setUp()
        self.server = postgres_test.Server.of_environment()
        self.hub.environment = {
            "POLDER_DATABASE": self.server.new_database(self.id().split(".")[-1])}

    def sql(self, database, statement):
        done = subprocess.run([postgres_test.tool("psql"), "-d", database, "-c", statement],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def publish_people(self):
        self.sql(self.hub.environment["POLDER_DATABASE"], hub_test.PEOPLE)

    def csr(self, name):
        return subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout",
             self.scratch / f"{name}.pem"], capture_output=True, text=True, check=True).stdout

    def test_a_database_that_goes_away_comes_back(self):
        self.hub.start()
        requests = [(f"cam-{i}", {"token": self.hub.enrolment_token(), "csr": self.csr(f"cam-{i}")})
                    for i in range(48)]

        def enrol(request):
            """Its name when it was acknowledged; what else is said is that it is to come again."""
            name, body = request
            try:
                status, answer, headers = self.ask("POST", "/v1/enrol", body)
            except (OSError, http.client.HTTPException):
                return None
            if status == 201:
                return name
            self.assertEqual(status, 503, f"{answer} {(self.scratch / 'hub.log').read_text()}")
            self.assertIn("Retry-After", headers)
            return None

        kept = set()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(enrol, request) for request in requests]
            while sum(answer.done() for answer in answers) < 8:
                time.sleep(0.001)
            self.server.stop_at_once()
            kept |= {answer.result() for answer in answers} - {None}
        self.assertLess(len(kept), len(requests))
        # Nothing is answered that is not known; the process lives.
        self.assertEqual(self.ask("GET", "/v1/devices", token=self.hub.token)[0], 503)
        self.assertEqual(self.ask("GET", "/healthz")[0], 503)
        self.assertIsNone(self.hub.process.poll())
        self.server.start()
        deadline = time.monotonic() + 60
        while self.ask("GET", "/healthz")[0] != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        there = self.ask("GET", "/v1/devices?limit=1000", token=self.hub.token)[1]["devices"]
        self.assertEqual(kept - {device["id"] for device in there}, set())
        for name, body in requests:
            status = 429
            while status == 429:  # an address of so many is asked to wait
                status, answer, _ = self.ask("POST", "/v1/enrol", body)
                time.sleep(0.2 if status == 429 else 0)
            self.assertEqual(status, 201, answer)
        self.end()
        self.assertEqual(self.enrolled_by_the_log(), sorted(name for name, _ in requests))


    def program(self, *words, status=0, **environment):
        done = subprocess.run([hub_test.HUB, *map(str, words)], capture_output=True, text=True,
                              timeout=120, env={**os.environ, **environment})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr if status == 0 else done.stderr

    def enrol(self, name):
        status, answer, _ = self.ask("POST", "/v1/enrol", {"token": self.hub.enrolment_token(),
                                                           "csr": self.csr(name)})
        self.assertEqual(status, 201, answer)
        return self.keep(name, answer), self.scratch / f"{name}.pem"

    def test_two_hubs_do_not_serve_one_database(self):
        self.hub.start()
        place = self.hub.environment["POLDER_DATABASE"]
        other = ("serve", "--folder", self.scratch / "other", "--listen", "127.0.0.1:0")
        said = self.program(*other, status=1, POLDER_DATABASE=place)
        self.assertIn("another polder-hub serves this database, from its own machine", said)
        self.assertIn("give this one a database of its own", said)
        # Nor is it copied, or given other keys, while it is served; its administrator may help
        # themself.
        for words in (("copy", "--from", place, "--to", self.scratch / "copy.db"),
                      ("rekey", "--folder", self.scratch / "other", "--database", place)):
            self.assertIn("another polder-hub serves", self.program(*words, status=1))
        self.assertIn("polder-person-", self.program("admin-token", "--folder", self.hub.folder,
                                                     POLDER_DATABASE=place))
        # The server goes and comes: it is this hub's still.
        device = self.enrol("cam-1")
        self.server.stop_at_once()
        self.server.start()
        deadline = time.monotonic() + 60
        while self.ask("GET", "/v1/self", device=device)[0] != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.enrol("cam-2")
        self.assertIn("another polder-hub serves", self.program(*other, status=1,
                                                                POLDER_DATABASE=place))
        # One that is killed holds it no longer.
        self.hub.kill()
        self.hub.start()
        self.assertEqual(self.ask("GET", "/v1/self", device=device)[0], 200)

    def test_it_moves_from_sqlite_and_back(self):
        place = self.hub.environment.pop("POLDER_DATABASE")
        self.hub.start()
        device = self.enrol("cam-1")
        file = self.hub.folder / "hub.db"
        self.assertIn("one hub serves a folder",
                      self.program("copy", "--from", file, "--to", place, status=1))
        self.end()
        said = self.program("copy", "--from", file, "--to", place)
        self.assertRegex(said, r"device +1 ")
        self.assertIn("read again there and the same", said)
        self.assertIn("has rows of a hub",
                      self.program("copy", "--from", file, "--to", place, status=1))
        self.hub.environment["POLDER_DATABASE"] = place
        moved = file.rename(self.hub.folder / "hub.db.moved")
        self.hub.start()
        self.assertEqual(self.ask("GET", "/v1/self", device=device)[0], 200)
        second = self.enrol("cam-2")
        # Of PostgreSQL a backup is a file too.
        self.program("backup", self.scratch / "backup", "--folder", self.hub.folder,
                     POLDER_DATABASE=place)
        self.end()
        self.program("copy", "--to", file, POLDER_FROM=place)
        moved.unlink()
        del self.hub.environment["POLDER_DATABASE"]
        self.hub.start()
        for each in (device, second):
            self.assertEqual(self.ask("GET", "/v1/self", device=each)[0], 200)
        self.end()
        self.assertEqual(self.enrolled_by_the_log(), ["cam-1", "cam-2"])
        # And goes back into one.
        empty = self.server.new_database("empty")
        other = self.scratch / "other"
        self.program("restore", self.scratch / "backup", "--folder", other, "--database", empty)
        self.assertFalse((other / "hub.db").exists())
        self.hub.folder, self.hub.environment["POLDER_DATABASE"] = other, empty
        self.hub.start()
        self.assertEqual(self.ask("GET", "/v1/self", device=second)[0], 200)
        self.end()
        another = self.server.new_database("another")
        for what, wrong in ("empty", {"POLDER_DATABASE": another}), ("not there", {}):
            self.assertIn(f"the hub's database is {what}",
                          self.program("serve", "--folder", other, status=1, **wrong))
        # Nor is a backup mixed with another hub, or with what is none: the folder stays as it was.
        third = self.scratch / "third"
        self.assertIn("has rows of a hub", self.program(
            "restore", self.scratch / "backup", "--folder", third, "--database", empty, status=1))
        self.assertFalse(third.exists())
        self.sql(another, "CREATE TABLE invoice (id INTEGER)")
        for words in ("restore", self.scratch / "backup", "--folder", third), (
                "serve", "--folder", third), ("admin-token", "--folder", other):
            self.assertIn("something else (invoice)",
                          self.program(*words, "--database", another, status=1))
            self.assertEqual(self.sql(another, "\\dt").count("table"), 1)
        # There it gets other keys; from a folder that is not its own it does not.
        wrong, rekey = self.scratch / "wrong", ("rekey", "--database", empty, "--folder")
        wrong.mkdir()
        self.assertIn("no hub has been here", self.program(*rekey, wrong, status=1))
        self.hub.start()
        self.assertEqual(self.ask("GET", "/v1/devices", token=self.hub.token)[0], 200)
        self.end()
        said = self.program(*rekey, other)
        self.assertIn("give its role another one", said)
        old = self.hub.token
        self.hub.token = re.search(r"admin +(polder-person-\S+)", said).group(1)
        self.hub.start()
        self.assertEqual(self.ask("GET", "/v1/devices", token=old)[0], 401)
        there = self.ask("GET", "/v1/devices", token=self.hub.token)[1]["devices"]
        self.assertEqual([device["id"] for device in there], ["cam-1", "cam-2"])


if __name__ == "__main__":
    tests = sys.argv[4:] or [
        "test_two_hubs_do_not_serve_one_database", "test_it_moves_from_sqlite_and_back",
        "test_a_database_that_goes_away_comes_back",
        "test_what_was_acknowledged_outlives_a_kill"]
    result = unittest.TextTestRunner().run(unittest.TestSuite(map(HubOnPostgres, tests)))
    sys.exit(not result.wasSuccessful())
