#!/usr/bin/python3
"""polderd is killed at every system call that changes something, and in the middle of writes, and
started again: it must always hold a release that runs, whole and signed, and get where it was
going.

    kill_test.py POLDER POLDERD KILL_POINTS [--every N] [--scenario S [--point K [--half]]]

A scenario is a device, a repository and where that must lead. A recorded run counts its points;
then for each the device begins anew, the whole process group is killed there, an oracle looks at
the files, and polderd runs without a fault until it is where it has to be. --every N takes each
N-th point; --point K replays one and keeps its folder.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from world import (PATIENCE_S, Releaser, read_state, reports, reports_error, scratch_parent,
                   slot_error)
from hubs import Hub  # noqa: E402

FREE_BYTES = 1 << 20  # on a disk that is full
SPLIT = ("write", "pwrite")
OFFLINE_EVERY = 8  # of the points: what is there is started without a repository, too


class Goal:
    """Where a device has to come: what runs, what is marked bad, floors, blobs that are gone."""

    def __init__(self, runs, bad=(), floors=None, gone=()):
        self.runs, self.bad, self.floors, self.gone = runs, set(bad), floors or {}, gone

    def missing(self, device, since_ns):
        """What is still missing; None: nothing."""
        state = read_state(device)
        if state is None or "update" in state:
            return "busy" if state else "no state"
        for unit, version in self.runs.items():
            entry = state["units"].get(unit, {})
            running = entry.get(entry.get("active", "none"))
            committed = entry.get("committed")
            if not running or not committed or running["version"] != version or \
                    committed["version"] != version:
                return f"{unit}: {running} runs, {committed} is committed, {version} is to"
        if {item["release"]["version"] for item in state["bad"]} != self.bad:
            return f"bad: {state['bad']}"
        if any(state["floors"].get(name) != floor for name, floor in self.floors.items()):
            return f"floors: {state['floors']}"
        left = [name for name in self.gone if (device / name).exists()]
        if left:
            return f"{left} are still there"
        return self.unwell(device, since_ns)

    def unwell(self, device, since_ns):
        path = device / "status.json"
        try:
            if path.stat().st_mtime_ns < since_ns:
                return "no news"
            health = json.loads(path.read_text())["health"]
        except (OSError, ValueError):
            return "no news"
        ill = {unit: health.get(unit) for unit in self.runs
               if unit != "polderd" and health.get(unit) != "well"}
        return f"health: {ill}" if ill else None


class Runs(Goal):
    """All that is to run runs well, whatever it is."""

    def __init__(self):
        super().__init__({})

    def missing(self, device, since_ns):
        state = read_state(device)
        if state is None:
            return None
        self.runs = {unit: "" for unit, entry in state["units"].items()
                     if entry.get(entry.get("active", "none"))}
        return self.unwell(device, since_ns)


class Update(Goal):
    """An update has come as far as this phase."""

    def __init__(self, phase):
        super().__init__({})
        self.phase = phase

    def missing(self, device, since_ns):
        state = read_state(device)
        return None if state and state["phase"] == self.phase else f"not in {self.phase}"


class Scenario:
    """Made by one of the functions below: `releaser` has the repository, `template` the device."""

    def __init__(self, test, name, base):
        self.test, self.name = test, name
        self.folder = test.scratch / name
        self.releaser = base.copy(self.folder)
        self.template = self.folder / "device"
        self.goal, self.free = None, None
        self.is_damaged = False  # what ran was lost
        self.installed = test.polderd
        self.config = self.folder / "polderd.toml"
        self.configure()
        self.points = []

    keeps_reports = True
    environment = {}

    def close(self):
        pass

    def identify(self):
        self.test.identity(self)

    def prepare(self, device):
        """Of a device that begins as the template is."""

    def configure(self, models=("voice",), runtime=None, observe_s=1):
        names = ", ".join(f'"{name}"' for name in models)
        runtime_line = f'runtime = "{runtime}"\n' if runtime else ""
        self.config.write_text(
            f'device = "camera-17"\nmodels = [{names}]\n{runtime_line}'
            f'folder = "{self.template}"\nrepository = "{self.folder}/repo"\n'
            f'root = "{self.folder}/root.json"\n[updates]\ncheck_every_s = 1\n'
            f'observe_s = {observe_s}\n'
            f'[worker]\ncrashes = 2\n')

    def command(self, device, *words):
        return [self.installed, "run", "--config", self.config, "--folder", device, *words]

    def settle(self, goal):
        error = self.test.run_until(self, self.template, goal)
        assert error is None, f"{self.name}: {error}"

    def sound(self, device):
        """Why the device does not hold what it must, whatever has happened; None: it does."""
        done = self.test.polderd_says("status", "--json", "--config", self.config, "--folder",
                                      device)
        if done.returncode != 0:
            return f"polderd status: {done.stderr}"
        for unit, entry in json.loads(done.stdout)["units"].items():
            running = entry["running"]
            if running is None:
                if entry["committed"] is not None and not self.is_damaged:
                    return f"{unit}: nothing runs, though something was committed"
                continue
            error = slot_error(device, unit, entry["slot"], running, self.releaser.authorised)
            if error:
                return error
        return None

    def settled(self, device):
        """The same of a device that is at its goal, and of its record."""
        error = self.sound(device)
        if error:
            return error
        done = subprocess.run([self.test.polder, "audit", "verify", device / "audit" / "log",
                               "--key", self.folder / "device.pub.pem"],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        return f"audit log: {done.stderr}" if done.returncode != 0 else self.unrecorded(device)

    def unrecorded(self, device):
        """What the state says and the record, which is short enough to be whole, does not."""
        done = subprocess.run([self.test.polder, "audit", "show", "--json",
                               device / "audit" / "log"],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            return f"audit show: {done.stderr}"
        acts = {(entry["act"], entry["object"]) for entry in json.loads(done.stdout)["entries"]}
        state = read_state(device)
        wanted = [(unit["committed"], ["update_committed"])
                  for unit in state["units"].values() if unit.get("committed")]
        wanted += [(bad["release"], ["update_failed", "update_rolled_back"])
                   for bad in state["bad"]]
        for release, one_of in wanted:
            name = f"{release['model']} {release['version']}"
            if not acts & {(act, name) for act in one_of}:
                return f"audit log: no {' or '.join(one_of)} of {name}"
        return None


# --- Scenarios -----------------------------------------------------------------------------------

def first_install(s):
    s.releaser.release("1.0.0")
    s.goal = Goal({"voice": "1.0.0"})


def update(s):
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.release("1.1.0")
    s.goal = Goal({"voice": "1.1.0"})


def chunk_reuse(s):
    s.releaser.large_release("1.0.0", 0)
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.large_release("1.1.0", 2)
    s.goal = Goal({"voice": "1.1.0"})


def resume(s):
    """A download was cut off in the middle of its largest blob."""
    s.releaser.large_release("1.0.0", 0)
    writes = [p for p in s.test.record(s) if p.is_chunk()]
    s.points = []
    shutil.rmtree(s.template)
    s.test.identity(s)
    outcome = s.test.run_killed(s, s.template, Goal({"voice": "1.0.0"}), writes[8].number, True)
    assert outcome == "killed", outcome
    s.goal = Goal({"voice": "1.0.0"})


def other_results(s):
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.release("2.0.0", golden=0.75)
    s.goal = Goal({"voice": "1.0.0"}, bad=["2.0.0"])


def crash_loop(s):
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.release("2.0.0", broken="broken.wav")
    s.goal = Goal({"voice": "1.0.0"}, bad=["2.0.0"])


def runtime(s):
    """polderd itself, from one release to the next."""
    s.installed = s.folder / "polderd"
    shutil.copy(s.test.polderd, s.installed)
    s.configure(runtime="polderd")
    s.releaser.release("1.0.0")
    s.releaser.runtime_release("0.9.0", s.test.polderd)
    s.settle(Goal({"voice": "1.0.0", "polderd": "0.9.0"}))
    s.releaser.runtime_release("0.9.1", s.test.polderd)
    s.goal = Goal({"voice": "1.0.0", "polderd": "0.9.1"})


def floor(s):
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.release("2.0.0")
    s.releaser.polder("repo", "floor", "repo", "voice", "2.0.0", "--key", "targets.pem")
    s.releaser.publish()
    s.goal = Goal({"voice": "2.0.0"}, floors={"voice": "2.0.0"})


def two_models(s):
    s.configure(models=("noise", "voice"))
    for model in ("noise", "voice"):
        s.releaser.release("1.0.0", model=model)
    s.settle(Goal({"noise": "1.0.0", "voice": "1.0.0"}))
    for model in ("noise", "voice"):
        s.releaser.release("1.1.0", model=model)
    s.goal = Goal({"noise": "1.1.0", "voice": "1.1.0"})


def low_disk(s):
    """The disk is full until what nothing needs is thrown away."""
    update(s)
    s.free = FREE_BYTES
    leave_overs(s)


def leave_overs(s):
    """Blobs, halves of blobs and drafts of earlier days."""
    blobs = s.template / "blobs"
    names = [f"{i:064x}" for i in range(1, 9)]
    paths = [blobs / name for name in names] + [blobs / "partial" / names[0]]
    paths.append(blobs / (names[0] + ".new"))
    for path in paths:
        path.write_bytes(b"left over" * 1000)
    s.goal.gone = [str(path.relative_to(s.template)) for path in paths]


def garbage(s):
    update(s)
    leave_overs(s)
    # And a slot that was being filled by a program of before.
    s.releaser.release("1.0.1")
    (s.template / "slots" / "voice" / "b").mkdir(parents=True, exist_ok=True)
    (s.template / "slots" / "voice" / "b" / "chosen.json.new").write_text("{")


def lost_slot(s):
    """The disk has eaten what runs: the way back runs until it is there again."""
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.release("1.1.0")
    s.settle(Goal({"voice": "1.1.0"}))
    state = read_state(s.template)["units"]["voice"]
    (s.template / "slots" / "voice" / state["active"] / "models" / "mean.plan").unlink()
    s.is_damaged = True
    s.goal = Goal({"voice": "1.1.0"})


def new_root(s):
    """The releaser's key was replaced."""
    s.releaser.release("1.0.0")
    s.settle(Goal({"voice": "1.0.0"}))
    s.releaser.polder("keys", "create", "--output", "root-2.pem", "--no-passphrase")
    s.releaser.polder("keys", "public", "root-2.pem", "--output", "root-2.pub.pem")
    s.releaser.polder("repo", "rotate", "repo", "root", "--add", "root-2.pub.pem", "--key",
                      "root.pem", "--key", "root-2.pem")
    s.releaser.publish()
    s.releaser.release("1.1.0")
    s.goal = Goal({"voice": "1.1.0"})


def assigns(s, *versions):
    """Releases, of which an assignment chooses: a function that chooses, and gives the goal."""
    s.releaser.polder("keys", "create", "--output", "assign.pem", "--no-passphrase")
    s.releaser.polder("keys", "public", "assign.pem", "--output", "assign.pub.pem")
    s.releaser.polder("repo", "delegate", "repo", "assignments", "--role-key", "assign.pub.pem",
                      "--path", "assignments/*", "--key", "targets.pem")
    s.releaser.polder("repo", "sign", "repo", "--key", "assign.pem")
    for version in versions:
        s.releaser.release(version)

    def assign(version, *words):
        s.releaser.polder("repo", "assign", "repo", "default", f"voice={version}", *words,
                          "--key", "assign.pem")
        s.releaser.publish()
        return Goal({"voice": version})

    return assign


def back_on_order(s):
    """An assignment goes back to the release before."""
    assign = assigns(s, "1.0.0", "1.1.0")
    for version in ("1.0.0", "1.1.0"):
        s.settle(assign(version))
    s.goal = assign("1.0.0")


def taken_back_in_shadow(s):
    """The assignment goes back while the new release runs beside the old one."""
    assign = assigns(s, "1.0.0", "1.1.0")
    s.settle(assign("1.0.0"))
    assign("1.1.0", "--shadow")
    s.settle(Update("shadow"))
    s.goal = assign("1.0.0")


def taken_back_on_trial(s):
    """And while it has taken the old one's place, but is not committed."""
    assign = assigns(s, "1.0.0", "1.1.0")
    s.settle(assign("1.0.0"))
    s.configure(observe_s=3600)
    assign("1.1.0")
    s.settle(Update("observe"))
    s.goal = assign("1.0.0")


class Enrolled(Goal):
    """The hub has taken a check-in."""

    def __init__(self):
        super().__init__({})

    def missing(self, device, since_ns):
        path = device / "status.json"
        try:
            if path.stat().st_mtime_ns < since_ns:
                return "no news"
            hub = json.loads(path.read_text())["hub"]
        except (OSError, ValueError, KeyError):
            return "no news"
        is_there = hub["state"] == "enrolled" and hub["checked_in_s"] and not hub["trouble"]
        return None if is_there else f"hub: {hub}"


class Enrolment(Scenario):
    """Each device is another one, with a token of its own, and makes its key itself."""
    keeps_reports = False  # the hub takes them
    given = range(1, 2)  # certificates, to each device

    def __init__(self, test, name, base):
        super().__init__(test, name, base)
        self.template.mkdir()
        self.hub = Hub(test.hub, self.folder / "hub", "--poll-s", "1").start()

    def close(self):
        self.hub.kill()

    def identify(self):
        pass

    def config_of(self, device):
        return device.parent / f"{device.name}.toml"

    def name_of(self, device):
        return "-".join(device.relative_to(self.folder).parts)

    def prepare(self, device):
        token = device / "token"
        token.touch(mode=0o600)
        token.write_text(self.hub.enrolment_token())
        self.config_of(device).write_text(
            f'device = "{self.name_of(device)}"\nmodels = ["voice"]\nfolder = "{device}"\n'
            f'repository = "{self.folder}/repo"\nroot = "{self.folder}/root.json"\n'
            f'[hub]\nurl = "{self.hub.url()}"\ntoken_file = "{token}"\n'
            f'ca_file = "{self.hub.ca()}"\n')

    def command(self, device, *words):
        return [self.installed, "run", "--config", self.config_of(device), *words]

    def sound(self, device):
        """There is no certificate, or one of the hub and of the key that is there."""
        done = self.test.polderd_says("status", "--json", "--config", self.config_of(device))
        if done.returncode != 0:
            return f"polderd status: {done.stderr}"
        certificate = device / "hub" / "certificate.pem"
        if not certificate.exists():
            return None
        def openssl(*words):
            return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True,
                                  timeout=PATIENCE_S)
        done = openssl("verify", "-purpose", "sslclient", "-CAfile", self.hub.ca(), certificate)
        if done.returncode != 0:
            return f"its certificate: {done.stderr}"
        own = openssl("pkey", "-in", device / "identity" / "key.pem", "-pubout").stdout
        its = openssl("x509", "-in", certificate, "-noout", "-pubkey").stdout
        return None if own and own == its else "its certificate is of another key"

    def settled(self, device):
        """However often it asked, it was given the same; and was never taken for a copy."""
        name = self.name_of(device)
        with contextlib.closing(sqlite3.connect(self.hub.folder / "hub.db")) as database:
            given = database.execute("SELECT COUNT(*) FROM certificate WHERE device = ?",
                                     [name]).fetchone()[0]
        if given not in self.given:
            return f"the hub has given {given} certificates to {name}"
        known = self.hub.get(f"/v1/devices/{name}")
        return self.sound(device) or (f"a duplicate: {known}" if known["duplicate"] else None)


class Renewed(Enrolled):
    """With another certificate than it began with."""

    def missing(self, device, since_ns):
        first = device.parent / f"{device.name}.first.pem"
        if first.read_bytes() == (device / "hub" / "certificate.pem").read_bytes():
            return "not renewed"
        return super().missing(device, since_ns)


class Renewal(Enrolment):
    """Its clock is so far ahead that the certificate is to be renewed, at each start anew."""
    given = range(2, 100)
    AHEAD_S = 77 * 86400

    def __init__(self, test, name, base):
        super().__init__(test, name, base)
        clock = self.folder / "clock"
        clock.write_text(str(self.AHEAD_S))
        self.environment = {"LD_PRELOAD": str(test.wrong_clock), "WRONG_CLOCK": str(clock)}

    def prepare(self, device):
        super().prepare(device)
        done = self.test.polderd_says("enrol", "--config", self.config_of(device))
        assert done.returncode == 0, done.stderr
        # As if half of its time were over: the hub renews none before that.
        file = self.hub.folder / "hub.db"
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
            database.execute("UPDATE certificate SET issued_s = 0 WHERE device = ?",
                             [self.name_of(device)])
            database.commit()
        shutil.copy(device / "hub" / "certificate.pem", device.parent / f"{device.name}.first.pem")


def enrolment(s):
    s.goal = Enrolled()


def renewal(s):
    s.goal = Renewed()


enrolment.kind, renewal.kind = Enrolment, Renewal


SCENARIOS = [first_install, update, chunk_reuse, resume, other_results, crash_loop, runtime, floor,
             two_models, low_disk, garbage, lost_slot, new_root, back_on_order,
             taken_back_in_shadow, taken_back_on_trial, enrolment, renewal]


# --- Runs ----------------------------------------------------------------------------------------

class Point:
    def __init__(self, number, phase, call, place, size, half=False):
        self.number, self.phase, self.call, self.place = number, phase, call, place
        self.size, self.half = size, half

    @classmethod
    def of(cls, line):
        number, phase, call, place, size = line.split("\t")
        return cls(int(number), phase, call, place, int(size))

    def is_chunk(self):
        return self.call in SPLIT and self.place.startswith("blobs/")

    def in_halves(self):
        return Point(self.number, self.phase, self.call, self.place, self.size, True)

    def site(self):
        return self.phase, self.call, self.place


class Test:
    def __init__(self, options):
        self.polder, self.polderd = options.polder.resolve(), options.polderd.resolve()
        self.tracer = options.kill_points.resolve()
        self.hub = self.polder.parent / "polder-hub"
        self.wrong_clock = self.polder.parent / "libwrong_clock.so"
        self.scenarios = []
        self.kept = options.point is not None
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="polder-kill-", dir=scratch_parent()))
        self.environment = {"PATH": os.environ["PATH"]}
        self.lock = threading.Lock()
        self.failures, self.sites = [], set()
        self.kills = collections.Counter()
        self.chunk_kills = self.offline_starts = self.reports_kept = 0

    def polderd_says(self, *words):
        return subprocess.run([self.polderd, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE_S, env=self.environment)

    def identity(self, s):
        done = self.polderd_says("identity", "create", "--json", "--config", s.config, "--folder",
                                 s.template)
        assert done.returncode == 0, done.stderr
        (s.folder / "device.pub.pem").write_text(json.loads(done.stdout)["public"])

    def run_until(self, s, device, goal, words=()):
        """Runs the agent, started again whenever it ends: None, or what is missing to the goal."""
        since_ns, end = time.time_ns(), time.monotonic() + PATIENCE_S
        log = device.parent / f"{device.name}.log"
        process, missing = None, "nothing"
        try:
            with log.open("a") as err:
                while time.monotonic() < end:
                    if process is None or process.poll() is not None:
                        process = subprocess.Popen(
                            s.command(device, *words), stdout=subprocess.PIPE, stderr=err,
                            text=True, env={**self.environment, **s.environment},
                            start_new_session=True)
                    missing = goal.missing(device, since_ns)
                    if missing is None:
                        return None
                    time.sleep(0.02)
        finally:
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process is not None:
                process.communicate()
        return f"stuck: {missing}\n{log.read_text()[-2000:]}"

    def starts_offline(self, s, device):
        """Whether what the device holds runs at once, without a repository, in a copy: an error."""
        copy = device.parent / "offline"
        subprocess.run(["cp", "-a", device, copy], check=True)
        return self.run_until(s, copy, Runs(), ["--repository", s.folder / "nowhere"])

    def run_traced(self, s, device, goal, words):
        """Until the tracer ends it, or the goal is reached: the tracer's last line."""
        since_ns, end = time.time_ns(), time.monotonic() + PATIENCE_S
        free = ["--free", str(s.free)] if s.free is not None else []
        command = [self.tracer, "--below", device, *free, *words, "--", *s.command(device)]
        with (device.parent / f"{device.name}.log").open("a") as err:
            tracer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True,
                                      env={**self.environment, **s.environment},
                                      start_new_session=True)
            while tracer.poll() is None and time.monotonic() < end:
                if goal.missing(device, since_ns) is None:
                    tracer.terminate()
                time.sleep(0.01)
            if tracer.poll() is None:
                tracer.terminate()
            out, _ = tracer.communicate(timeout=PATIENCE_S)
        return out.strip().splitlines()[-1] if out.strip() else "nothing"

    def record(self, s):
        path = s.folder / "points"
        device = s.folder / "recorded"
        shutil.rmtree(device, ignore_errors=True)
        self.fresh(s, device)
        s.prepare(device)
        outcome = self.run_traced(s, device, s.goal or Goal({"voice": "1.0.0"}),
                                  ["--record", path])
        assert outcome.startswith("stopped"), f"{s.name}: {outcome}"
        s.points = [Point.of(line) for line in path.read_text().splitlines()]
        return s.points

    def run_killed(self, s, device, goal, number, half):
        outcome = self.run_traced(s, device, goal,
                                  ["--kill", str(number), *(["--half"] if half else [])])
        return outcome.split()[0]

    def fresh(self, s, device):
        """The scenario's device, hard links and all."""
        device.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", s.template, device], check=True)

    def make(self, base, function):
        s = getattr(function, "kind", Scenario)(self, function.__name__, base)
        self.scenarios.append(s)
        s.identify()
        function(s)
        self.record(s)
        return s

    def kill(self, s, point, offline):
        """One point: what is wrong, or None."""
        folder = s.folder / "runs" / f"{point.number}{'-half' if point.half else ''}"
        device = folder / "device"
        self.fresh(s, device)
        s.prepare(device)
        outcome = self.run_killed(s, device, s.goal, point.number, point.half)
        error = None
        if outcome == "killed":
            with self.lock:
                self.kills[s.name] += 1
                self.sites.add(point.site())
                self.chunk_kills += point.is_chunk()
        elif outcome != "stopped":  # such as with this luck there were fewer points
            error = f"the tracer says: {outcome}"
        error = error or (None if s.is_damaged else s.sound(device))
        if error is None and offline and s.keeps_reports:
            error = self.starts_offline(s, device)
            self.offline_starts += 1
        error = error and f"after the kill: {error}"
        waiting = reports(device) if s.keeps_reports else {}
        if error is None:
            error = self.run_until(s, device, s.goal) or s.settled(device) or \
                reports_error(waiting, reports(device))
            with self.lock:
                self.reports_kept += len(waiting)
        if error:
            with self.lock:
                self.failures.append((s.name, point, error))
        elif not self.kept:
            shutil.rmtree(folder)
        return error


# --- The program ---------------------------------------------------------------------------------

def points_of(s, options, offset):
    points = []
    for point in s.points:
        points.append(point)
        if point.call in SPLIT and point.size > 1:
            points.append(point.in_halves())
    if options.point is not None:
        return [p for p in points if p.number == options.point and p.half == options.half]
    return points[offset % options.every::options.every]


def parse():
    parser = argparse.ArgumentParser(
        description="Kills polderd at every call that changes something.")
    parser.add_argument("polder", type=pathlib.Path)
    parser.add_argument("polderd", type=pathlib.Path)
    parser.add_argument("kill_points", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=6 * (os.cpu_count() or 1), metavar="N")
    parser.add_argument("--scenario", choices=[f.__name__ for f in SCENARIOS])
    parser.add_argument("--point", type=int, metavar="K")
    parser.add_argument("--half", action="store_true", help="in the middle of that write")
    options = parser.parse_args()
    if options.point is not None and not options.scenario:
        parser.error("--point needs --scenario")
    return options


def report(test, made, started):
    for s in made:
        print(f"  {s.name:<16}{len(s.points):>5} points, {test.kills[s.name]:>5} kills")
    total = sum(test.kills.values())
    stuck = sum("stuck" in error for _, _, error in test.failures)
    print(f"{total} kills in {len(made)} scenarios, {test.chunk_kills} of them in writes of blobs; "
          f"{len(test.sites)} distinct pairs of state and call site")
    print(f"after {test.offline_starts} of them what was there was started without a repository")
    print(f"{test.reports_kept} reports that waited were there afterwards, each once")
    print(f"stuck {stuck}, wrong {len(test.failures) - stuck}; "
          f"{(time.monotonic() - started) / 60:.1f} minutes")
    for name, point, error in test.failures[:10]:
        print(f"\n{name}, {point.phase}: {point.call} {point.place}\n{error}\nagain: "
              f"--scenario {name} --point {point.number}{' --half' if point.half else ''}")


def main():
    options = parse()
    started = time.monotonic()
    test = Test(options)
    try:
        base = Releaser(test.polder, test.scratch / "base").make()
        functions = [f for f in SCENARIOS if options.scenario in (None, f.__name__)]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            made = list(pool.map(lambda f: test.make(base, f), functions))
            work = [(s, p) for i, s in enumerate(made) for p in points_of(s, options, i)]
            jobs = [(s, p, i % OFFLINE_EVERY == 0) for i, (s, p) in enumerate(work)]
            list(pool.map(lambda job: test.kill(*job), jobs))
        report(test, made, started)
        if test.kept:
            print(f"kept: {test.scratch}")
        return 1 if test.failures or not test.kills else 0
    finally:
        for s in test.scenarios:
            s.close()
        if not test.kept:
            shutil.rmtree(test.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
