#!/usr/bin/python3
"""polderd is sent SIGHUP, with another polderd.toml, at the first, the middle and the last call
that changes something in each phase of an update: the update goes on, and what is new holds.

    hang_up_test.py POLDER POLDERD KILL_POINTS
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import sys
import time

from kill_test import Goal, Scenario, Test
from world import Releaser

PHASES = {"download", "verify", "stage", "probe", "shadow", "activate", "observe", "commit"}
MEGABYTES = 4


class Reloaded(Goal):
    """Also says that it has read the new polderd.toml."""

    def missing(self, device, since_ns):
        # First: what is read after that is of the polderd that has read it, too.
        try:
            live = json.loads((device / "status.json").read_text())
        except (OSError, ValueError):
            return "no news"
        room = live["reports"]["max_bytes"]
        if room != MEGABYTES << 20:
            return f"[reports] as it was before: {room}"
        return super().missing(device, since_ns)


def update(s):
    """Runs 1.0.0; what is to come is also run beside it first."""
    polder = s.releaser.polder
    polder("keys", "create", "--output", "assign.pem", "--no-passphrase")
    polder("keys", "public", "assign.pem", "--output", "assign.pub.pem")
    polder("repo", "delegate", "repo", "assignments", "--role-key", "assign.pub.pem", "--path",
           "assignments/*", "--key", "targets.pem")
    polder("repo", "sign", "repo", "--key", "assign.pem")
    config = s.config.read_text()
    s.config.write_text(config.replace("observe_s = 1", "observe_s = 1\nshadow_s = 1"))
    for version in ("1.0.0", "1.1.0"):
        s.releaser.release(version)
    polder("repo", "assign", "repo", "default", "voice=1.0.0", "--key", "assign.pem")
    s.releaser.publish()
    s.settle(Goal({"voice": "1.0.0"}))
    polder("repo", "assign", "repo", "default", "voice=1.1.0", "--shadow", "--key", "assign.pem")
    s.releaser.publish()
    s.goal = Goal({"voice": "1.1.0"})


def points_of(recorded):
    """The first, the middle and the last of each phase, by the phase."""
    phases = {}
    for point in recorded:
        phases.setdefault(point.phase, []).append(point.number)
    return {phase: sorted({n[0], n[len(n) // 2], n[-1]}) for phase, n in phases.items()}


def hang_up(test, s, number):
    """What is wrong, or None."""
    folder = s.folder / "runs" / str(number)
    device, config = folder / "device", folder / "polderd.toml"
    test.fresh(s, device)
    config.write_text(s.config.read_text())
    (folder / "polderd.toml.new").write_text(
        config.read_text() + f"[reports]\nmegabytes = {MEGABYTES}\n")
    run = Scenario.__new__(Scenario)
    run.__dict__.update(s.__dict__, config=config)
    since_ns = time.time_ns()
    goal = Reloaded(s.goal.runs)
    outcome = test.run_traced(run, device, goal,
                              ["--hang-up", str(number), "--replace", str(config)])
    if not outcome.startswith("stopped"):
        return f"the tracer says: {outcome}"
    missing = goal.missing(device, since_ns) or run.settled(device)
    return missing and f"{missing}\n{(folder / 'device.log').read_text()[-2000:]}"


def main():
    parser = argparse.ArgumentParser(description="Reloads polderd in each phase of an update.")
    for name in ("polder", "polderd", "kill_points"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    options.point = None
    test = Test(options)
    try:
        s = test.make(Releaser(test.polder, test.scratch / "base").make(), update)
        points = points_of(s.points)
        work = [(phase, number) for phase in sorted(PHASES) for number in points.get(phase, [])]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            errors = list(pool.map(lambda item: hang_up(test, s, item[1]), work))
        for (phase, number), error in zip(work, errors):
            print(f"{phase:<10}{number:>5}  {error or 'goes on'}")
        missed = PHASES - points.keys()
        if missed:
            print(f"nothing was changed in {', '.join(sorted(missed))}")
        return 1 if missed or any(errors) else 0
    finally:
        shutil.rmtree(test.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
