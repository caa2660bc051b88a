#!/usr/bin/python3
"""A hub whose database is PostgreSQL: what a kill of either leaves.

    postgres_test.py /usr/bin/python3 hub_postgres_test.py POLDER_HUB POLDERD POLDER
"""
import concurrent.futures
import http.client
import pathlib
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


if __name__ == "__main__":
    tests = ["test_a_database_that_goes_away_comes_back",
             "test_what_was_acknowledged_outlives_a_kill"]
    result = unittest.TextTestRunner().run(unittest.TestSuite(map(HubOnPostgres, tests)))
    sys.exit(not result.wasSuccessful())
