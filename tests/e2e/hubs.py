"""A hub for tests with the real programs: started, killed and asked as its people do."""
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess


class Hub:
    """`polder-hub serve` in a folder of its own, on any port that is free at its first start."""

    def __init__(self, program, folder, *options):
        self.program, self.folder, self.options = program, pathlib.Path(folder), options
        self.log = self.folder.with_suffix(".log")
        self.process, self.token, self.port = None, None, 0

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--folder", self.folder, "--listen",
                 f"127.0.0.1:{self.port}", *map(str, self.options)], stdout=subprocess.PIPE,
                stderr=log, text=True, env={"PATH": os.environ["PATH"]})
        said = ""
        while "SHA-256" not in said:
            line = self.process.stdout.readline()
            assert line, f"the hub ended: {self.log.read_text()}"
            said += line
        if self.token is None:
            said += self.process.stdout.readline()
            self.token = re.search(r"admin +(polder-person-\S+)", said).group(1)
        self.port = int(re.search(r"https://\S+:(\d+)", said).group(1))
        return self

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process = None

    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def ca(self):
        return self.folder / "ca.pem"

    def ask(self, method, target, body=None, device=None):
        """(status, document); `device`: files of a certificate and its key, in place of a person's
        token."""
        context = ssl.create_default_context(cafile=self.ca())
        headers = {}
        if device:
            context.load_cert_chain(*device)
        else:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                 context=context)
        try:
            connection.request(method, target, json.dumps(body) if body is not None else None,
                               headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def get(self, target):
        status, document = self.ask("GET", target)
        assert status == 200, document
        return document

    def enrolment_token(self, **body):
        status, made = self.ask("POST", "/v1/enrolment-tokens", body)
        assert status == 201, made
        return made["token"]

    def token_of(self, name, role):
        status, made = self.ask("POST", "/v1/tokens", {"name": name, "role": role})
        assert status == 201, made
        return made["token"]

    def let_assign(self, polder, folder):
        """A repository in a folder, whose people let this hub assign releases to devices; it is
        pushed by one and approved by another."""
        folder = pathlib.Path(folder)
        folder.mkdir()
        online = self.folder / "hub-online.pub.pem"

        def run(*words, token=None):
            done = subprocess.run(
                [polder, *map(str, words)], cwd=folder, capture_output=True, text=True,
                env={"PATH": os.environ["PATH"], "POLDER_HUB": self.url(),
                     "POLDER_HUB_CA": str(self.ca()), "POLDER_HUB_TOKEN": token or self.token})
            assert done.returncode == 0, done.stderr
            return done.stdout

        for name in ("root", "targets"):
            run("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            run("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        run("repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", 1,
            "--targets-key", "targets.pub.pem", "--timestamp-key", online, "--profile", "hub")
        run("repo", "delegate", "repo", "assignments", "--role-key", online, "--path",
            "assignments/*")
        run("repo", "sign", "repo", "--key", "root.pem", "--key", "targets.pem")
        pushed = json.loads(run("hub", "push", "repo", "--json",
                                token=self.token_of("releaser", "releaser")))
        run("hub", "approve", pushed["approval"]["id"])
