#!/usr/bin/python3
"""The other side of the hub, for the tests of the console: who makes and signs releases, and
devices that fetch them from the hub, run them and report.

    fleet.py POLDER POLDERD FOLDER HUB_URL HUB_FOLDER

POLDER_HUB_TOKEN: of a releaser. Each line of the standard input is a command in JSON, and is
answered by a line of JSON:

    {"do": "push", "version": "1.1.0", "broken": false}    makes and pushes it: {"approval": ID}
    {"do": "pull"}                                         once it is published: {}
    {"do": "start", "tokens": {"camera-1": TOKEN}}         a device for each: {}

A broken release is one that its worker does not get to run. All end with the standard input.
"""
import hashlib
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from small_releases import Maker  # noqa: E402

POLDER, POLDERD = sys.argv[1:3]
MODEL = "voice"
folder, hub_folder = pathlib.Path(sys.argv[3]).resolve(), pathlib.Path(sys.argv[5]).resolve()
HUB, CA, ONLINE = sys.argv[4], hub_folder / "ca.pem", hub_folder / "hub-online.pub.pem"
repo = folder / "repo"
processes = []
released = []  # (version, SHA-256 of the manifest)


def polder(*words):
    done = subprocess.run([POLDER, *map(str, words)], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "POLDER_HUB": HUB, "POLDER_HUB_CA": str(CA)})
    if done.returncode != 0:
        sys.exit(f"polder {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def make_repository():
    for name in ("root", "targets"):
        polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
        polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
    polder("repo", "init", repo, "--root-key", "root.pub.pem", "--root-threshold", 1,
           "--targets-key", "targets.pub.pem", "--timestamp-key", ONLINE, "--profile", "hub")
    polder("repo", "delegate", repo, "assignments", "--role-key", ONLINE, "--path", "assignments/*")
    polder("repo", "sign", repo, "--key", "root.pem", "--key", "targets.pem")
    shutil.copy(repo / "staged" / "root.json", folder / "root.json")
    return Maker(POLDER, folder, repo / "staged")  # what is pushed


def sound():
    """Two minutes of a tone that comes and goes."""
    return [int(9000 * math.sin(i / 9) * math.sin(i / 160000) ** 2) for i in range(120 * 16000)]


def push(maker, version, broken):
    how = {"broken": "clip-2.wav"} if broken else {"samples": sound()}
    manifest = json.loads(maker.manifest(version, **how))
    manifest["lineage"] = {
        "parents": [{"model": MODEL, "version": old, "manifest": digest}
                    for old, digest in released[-1:]],
        "datasets": [{"name": "hall-2026", "sha256": hashlib.sha256(b"hall").hexdigest(),
                      "licence": "CC-BY-4.0"}]}
    manifest["card"] = {
        "summary": "Tells speech from other sounds.",
        "intended_use": "Counting conversations at a help desk.",
        "limitations": "Not for crowds, nor for who speaks.",
        "metrics": [{"name": "F1", "value": 0.947},
                    {"name": "F1", "slice": "music", "value": 0.91}]}
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    polder("repo", "add", repo, path, "--target", f"{MODEL}/{version}/manifest.json", "--key",
           "targets.pem")
    released.append((version, hashlib.sha256(path.read_bytes()).hexdigest()))
    return {"approval": json.loads(polder("hub", "push", repo, "--json"))["approval"]["id"]}


def start(device, token):
    token_file = folder / f"{device}.token"
    token_file.touch(mode=0o600)
    token_file.write_text(token + "\n")
    config = folder / f"{device}.toml"
    config.write_text(
        f'device = "{device}"\nfolder = "{folder}/{device}"\nmodels = ["{MODEL}"]\n'
        f'root = "{folder}/root.json"\n'
        f'[updates]\nobserve_s = 1\n[worker]\ncrashes = 2\n[reports]\nevery_s = 1\n'
        f'[hub]\nurl = "{HUB}"\ntoken_file = "{token_file}"\nca_file = "{CA}"\n')
    log = open(folder / f"{device}.log", "ab")
    processes.append(subprocess.Popen([POLDERD, "run", "--config", config], stdout=log, stderr=log))


def answer(maker, command):
    what = command["do"]
    if what == "push":
        return push(maker, command["version"], command.get("broken", False))
    if what == "pull":
        polder("hub", "pull", repo)
        return {}
    for device, token in command["tokens"].items():
        start(device, token)
    return {}


def main():
    folder.mkdir()
    maker = make_repository()
    try:
        for line in sys.stdin:
            print(json.dumps(answer(maker, json.loads(line))), flush=True)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


main()
