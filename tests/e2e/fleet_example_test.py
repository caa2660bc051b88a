#!/usr/bin/python3
"""examples/fleet walks the circle: a bad release is stopped at one device of five and taken back,
the next one is on all of them, the hub's log proves it, its console can be looked at again, and
nothing is left running, nor of a run that is ended on its way.

    fleet_example_test.py RUN FOLDER

FOLDER is made anew. Exit status 77 where the model or the video was not fetched.
"""
import pathlib
import re
import signal
import subprocess
import sys
import time

RUN, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
PATIENCE_S = 1500  # on a machine that others use; each part of it waits for what happens
MODELS = RUN.parents[2] / "models"


def left():
    """Processes whose command names the folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if path.joinpath("cwd").resolve() == FOLDER or bytes(FOLDER) in b" ".join(words):
                found.append((path.name, words))
        except OSError:  # it has ended, or is another user's
            continue
    return [one for one in found if b"fleet_example_test.py" not in b" ".join(one[1])]


def what_stays():
    deadline = time.monotonic() + 60  # of workers, which end with what has started them
    while left() and time.monotonic() < deadline:
        time.sleep(0.2)
    return [f"left running: {left()}"] if left() else []


def looks_again(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hub:
        said = hub.stdout.readline()
        hub.terminate()
    return [] if said.startswith("polder-hub serves https://localhost:") else [f"again: {said}"]


def ended_on_its_way():
    with subprocess.Popen([RUN, FOLDER, "--brief"], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if line.startswith("== The releaser's repository"):
                break
        wrong = [] if left() else ["no hub ran"]
        run.terminate()
    if run.returncode != 128 + signal.SIGTERM:
        wrong.append(f"ended by SIGTERM: exit status {run.returncode}")
    return wrong + what_stays()


def main():
    for name in ("ssd_mobilenet_v2.tflite", "vtest.avi"):
        if not (MODELS / name).exists():
            print(f"{MODELS / name} is not there: scripts/fetch-models ssd vtest")
            return 77
    done = subprocess.run([RUN, FOLDER, "--brief"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S)
    print(done.stdout)
    wrong = [f"exit status {done.returncode}"] if done.returncode else []
    parts = dict(re.findall(r"^== (\S+ \S+).*\n((?:(?!==).*\n)*)", done.stdout, re.M))
    bad, good = parts.get("Release 2.0.0", ""), parts.get("Release 2.0.1", "")
    if "it acted on 1 device of 5" not in bad or "  aborted, 1 device " not in bad:
        wrong.append("2.0.0 was not stopped at its first device")
    devices = ", ".join(f"camera-{i}" for i in range(1, 6))
    if f"\n{devices}: all run 1.0.0\n" not in bad:
        wrong.append("2.0.0 was not taken back")
    if "  done, 100% " not in good or f"\n{devices}: all run 2.0.1\n" not in good:
        wrong.append("2.0.1 is not on all five")
    proof = done.stdout.partition("$ polder audit check-proof")[2]
    if "rollout_changed" not in proof or '"aborted: ' not in proof:
        wrong.append("the log does not prove that 2.0.0 was aborted")
    wrong += what_stays()
    again = re.search(r"^  (\S+/polder-hub serve .*)", done.stdout, re.M)
    wrong += looks_again(again[1].split()) if again else ["it does not say how to look at it again"]
    wrong += ended_on_its_way()
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
