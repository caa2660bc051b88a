#!/usr/bin/env python3
"""The hub's API against its own OpenAPI description, by Schemathesis: a running hub, an admin and
an enrolled device, examples, boundaries and random requests, good ones and bad ones, from one seed.

    hub_api_test.py POLDER INTEROP

polder-hub lies beside POLDER; scripts/fetch-interop has made INTEROP/schemathesis.
"""
import http.client
import json
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
INTEROP = pathlib.Path(sys.argv[2]).resolve()
HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = 40  # random ones of each operation


class HubApi(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name) / "hub"
        self.log = pathlib.Path(scratch.name) / "log"
        with open(self.log, "wb") as log:
            self.hub = subprocess.Popen(
                [POLDER.parent / "polder-hub", "serve", "--folder", self.folder, "--listen",
                 "127.0.0.1:0", "--person-rate", "100000"], stdout=subprocess.PIPE, stderr=log,
                text=True)
        self.addCleanup(self.hub.stdout.close)
        self.addCleanup(self.hub.wait)
        self.addCleanup(self.hub.kill)
        said = ""
        while "admin " not in said:
            line = self.hub.stdout.readline()
            self.assertTrue(line, self.log.read_text())
            said += line
        self.token = re.search(r"admin +(polder-person-\S+)", said).group(1)
        self.port = int(re.search(r"https://\S+:(\d+)", said).group(1))

    def post(self, target, body):
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        self.addCleanup(connection.close)
        connection.request("POST", target, json.dumps(body),
                           {"Authorization": f"Bearer {self.token}",
                            "Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        self.assertEqual(response.status, 201, text)
        return json.loads(text)

    def enrol(self):
        """A device; its certificate and its key."""
        key, certificate = self.folder / "cam-1.pem", self.folder / "cam-1.crt"
        csr = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-subj", "/CN=cam-1"], check=True, capture_output=True,
            text=True).stdout
        token = self.post("/v1/enrolment-tokens", {})["token"]
        certificate.write_text(self.post("/v1/enrol", {"token": token, "csr": csr})["certificate"])
        return certificate, key

    def test_it_is_as_described(self):
        certificate, key = self.enrol()
        done = subprocess.run(
            [INTEROP / "schemathesis/bin/st", "--config-file", HERE / "schemathesis.toml", "run",
             f"https://127.0.0.1:{self.port}/openapi.json", "--max-examples", str(EXAMPLES),
             "--header", f"Authorization: Bearer {self.token}", "--tls-verify",
             self.folder / "ca.pem", "--request-cert", certificate, "--request-cert-key", key,
             # Below what the hub takes of those without a token or a certificate, of one address.
             "--rate-limit", "100/s", "--no-color"],
            capture_output=True, text=True, cwd=self.folder)
        lines = (done.stdout + done.stderr).splitlines()  # some are long requests
        self.assertEqual(done.returncode, 0, "\n".join(line[:400] for line in lines))
        said = re.search(r"(\d+) generated", done.stdout)
        self.assertTrue(said and int(said.group(1)) > 200, done.stdout)
        print(f"{said.group(1)} requests", file=sys.stderr)
        # Nothing of it was the hub's own trouble.
        self.assertEqual(self.log.read_text(), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
