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
        self.environment = {}  # beside PATH
        self.connections = []
        self.said = ""  # when it started last

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--folder", self.folder, "--listen",
                 f"127.0.0.1:{self.port}", *map(str, self.options)], stdout=subprocess.PIPE,
                stderr=log, text=True, env={"PATH": os.environ["PATH"], **self.environment})
        self.said = ""
        while "SHA-256" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"the hub ended: {self.log.read_text()}"
            self.said += line
        if self.token is None:
            self.said += self.process.stdout.readline()
            self.token = re.search(r"admin +(polder-person-\S+)", self.said).group(1)
        self.port = int(re.search(r"https://\S+:(\d+)", self.said).group(1))
        return self

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how=signal.SIGTERM):
        """Its exit status; None where it does not run."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        if not self.process:
            return None
        self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process = None
        return status

    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def ca(self):
        return self.folder / "ca.pem"

    def context(self, device=None):
        """`device`: files of a certificate and its key."""
        context = ssl.create_default_context(cafile=self.ca())
        if device:
            context.load_cert_chain(*device)
        return context

    def connect(self, device=None, context=None):
        """Closed with the hub at the latest."""
        self.connections.append(http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=context or self.context(device)))
        return self.connections[-1]

    def send(self, method, target, body=None, headers={}, token=None, device=None,
             connection=None):
        """(status, headers, bytes); a body that is no bytes goes as JSON."""
        headers = dict(headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection = connection or self.connect(device)
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def ask(self, method, target, body=None, device=None, token=None):
        """(status, document); as the administrator, where no other token and no device is given."""
        token = None if device else token or self.token
        status, _, text = self.send(method, target, body, token=token, device=device)
        return status, json.loads(text) if text else None

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
