"""What devices and people ask of a hub at once, each request with what shows that it was done."""
import http.client
import json
import pathlib
import subprocess
import time

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src" / "proto" / "report.fbs"
CHECKIN = "application/vnd.polder.checkin"


class Act:
    """A request that may be sent again. `count(hub)`: how often it is seen to be done; `again`: the
    status of one that was done before."""

    def __init__(self, method, target, body, count, again=(200, 201), device=None, headers={}):
        self.request = (method, target, body)
        self.count, self.again, self.device, self.headers = count, again, device, headers
        self.name = f"{method} {target}"

    def send(self, hub):
        """Its status and document; None where no answer came."""
        try:
            status, _, text = hub.send(*self.request, self.headers,
                                       None if self.device else hub.token, self.device)
            return status, json.loads(text)
        except (OSError, http.client.HTTPException):
            return None


class Load:
    """Acts of a hub that may assign, of devices that are enrolled: name -> (certificate, key)."""

    def __init__(self, scratch, devices):
        self.scratch, self.devices = scratch, devices
        self.number = 0
        self.enrolled, self.people, self.rollouts = set(), set(), []

    def next(self):
        self.number += 1
        return self.number

    def turn(self, hub):
        """The acts of a turn: no two of them change the same."""
        acts = [self.enrol(hub) for _ in range(6)] + self.checkins(6)
        acts += [self.tag(name) for name in self.devices]
        for make in self.token, self.alias, self.rollout:
            acts += [make() for _ in range(2)]
        if len(self.rollouts) > 2:
            acts.append(self.abort(self.those(hub, self.rollouts[-3])[0]["id"]))
        return acts

    def enrol(self, hub):
        name = f"t{self.next()}"
        self.enrolled.add(name)
        csr = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout",
             self.scratch / "k.pem"], capture_output=True, text=True, check=True).stdout
        return Act("POST", "/v1/enrol", {"token": hub.enrolment_token(), "csr": csr},
                   lambda hub: hub.ask("GET", f"/v1/devices/{name}")[0] == 200)

    def tag(self, name):
        tags = {"turn": str(self.next())}
        return Act("PUT", f"/v1/devices/{name}/tags", tags,
                   lambda hub: hub.get(f"/v1/devices/{name}")["tags"] == tags)

    def token(self):
        name = f"p{self.next()}"
        self.people.add(name)
        # What was shown once is not shown again.
        return Act("POST", "/v1/tokens", {"name": name, "role": "viewer"},
                   lambda hub: sum(one["name"] == name for one in
                                   hub.get("/v1/tokens?limit=1000")["tokens"]),
                   again=(409,), headers={"Idempotency-Key": name})

    def alias(self):
        name = f"a{self.next()}"
        return Act("PUT", f"/v1/models/people/aliases/{name}", {"version": "1.0.0"},
                   lambda hub: name in hub.get("/v1/models/people")["aliases"])

    def rollout(self):
        version = f"1.0.{self.next()}"
        self.rollouts.append(version)
        return Act("POST", "/v1/rollouts", {"model": "people", "version": version,
                                            "query": "none=such", "one_way": True,
                                            "unpublished": True},
                   # Of one that was cut off in between the answer is not kept.
                   lambda hub: len(self.those(hub, version)),
                   again=(201, 409), headers={"Idempotency-Key": version})

    @staticmethod
    def those(hub, version):
        return [one for one in hub.get("/v1/rollouts?limit=1000")["rollouts"]
                if one["version"] == version]

    def abort(self, rollout):
        # By then it is known: it was asked for, again where need be, in the turn before.
        return Act("POST", f"/v1/rollouts/{rollout}/abort", {"reason": "rain"},
                   lambda hub: hub.get(f"/v1/rollouts/{rollout}")["phase"] == "aborted",
                   again=(409,))

    def checkins(self, count):
        """Each with a window of metrics that is known by its number of frames."""
        acts = []
        for i in range(count):
            name = list(self.devices)[i % len(self.devices)]
            number = self.next()
            unit = {"name": "people", "health": 2, "frames": number, "errors": [], "classes": [],
                    "stages": [], "signals": []}
            metrics = {"window_ms": 1000, "units": [unit], "temperatures_c": [], "powers_w": []}
            report = {"device": name, "program": "1", "boot": 1, "sequence": number,
                      "time_s": int(time.time()), "drops": {"alarms": 0, "lifecycle": 0,
                                                            "metrics": 0},
                      "body_type": "Metrics", "body": metrics}
            (self.scratch / f"checkin-{i}.json").write_text(json.dumps(
                {"content_type": "Checkin",
                 "content": {"program": "1", "timestamp": 0, "reports": [report]}}))

            def windows(hub, name=name, number=number):
                shown = hub.get(f"/v1/devices/{name}/metrics?limit=5000")["windows"]
                return sum(one["frames"] == number for one in shown)
            acts.append(Act("POST", "/v1/checkin", None, windows, device=self.devices[name],
                            headers={"Content-Type": CHECKIN}))
        files = [self.scratch / f"checkin-{i}.json" for i in range(count)]
        subprocess.run(["flatc", "--binary", "-o", self.scratch, SCHEMA, *files], check=True,
                       capture_output=True)
        for act, file in zip(acts, files):
            act.request = (*act.request[:2], file.with_suffix(".bin").read_bytes())
        return acts
