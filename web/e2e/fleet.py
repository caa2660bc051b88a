#!/usr/bin/python3
"""Devices for the tests of the console: real ones, which run a small release and tell the hub.

    fleet.py POLDER POLDERD FOLDER HUB_URL CA_FILE < TOKENS

TOKENS is a line of JSON, {"camera-1": "polder-enrol-..."}: a device for each. A further line is the
version of another release, which its worker does not get to run: all go back. They end with the
standard input.
"""
import json
import math
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from small_releases import Maker  # noqa: E402

POLDER, POLDERD, FOLDER, HUB, CA = (sys.argv[1:6])
KEYS = ["root", "targets", "online"]
MODEL = "voice"
folder = pathlib.Path(FOLDER).resolve()
repo = folder / "repo"


def polder(*words):
    done = subprocess.run([POLDER, *map(str, words)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"polder {' '.join(map(str, words))}: {done.stderr}")


def make_repository():
    for name in KEYS:
        polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
        polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
    polder("repo", "init", repo, "--root-key", "root.pub.pem", "--root-threshold", 1,
           "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem")
    polder("repo", "sign", repo, "--key", "root.pem", "--key", "targets.pem")
    polder("repo", "publish", repo, "--key", "online.pem")
    shutil.copy(repo / "metadata" / "1.root.json", folder / "root.json")
    return Maker(POLDER, folder, repo)


def release(maker, version, **options):
    path = folder / "manifest.json"
    path.write_text(maker.manifest(version, **options))
    polder("repo", "add", repo, path, "--target", f"{MODEL}/{version}/manifest.json", "--key",
           "targets.pem")
    polder("repo", "publish", repo, "--key", "online.pem")


def sound():
    """Two minutes of a tone that comes and goes."""
    return [int(9000 * math.sin(i / 9) * math.sin(i / 160000) ** 2) for i in range(120 * 16000)]


def start(device, token):
    token_file = folder / f"{device}.token"
    token_file.touch(mode=0o600)
    token_file.write_text(token + "\n")
    config = folder / f"{device}.toml"
    config.write_text(
        f'device = "{device}"\nfolder = "{folder}/{device}"\nmodels = ["{MODEL}"]\n'
        f'repository = "{repo}"\nroot = "{folder}/root.json"\n'
        f'[updates]\nobserve_s = 1\ncheck_every_s = 2\n[worker]\ncrashes = 2\n'
        f'[reports]\nevery_s = 1\n'
        f'[hub]\nurl = "{HUB}"\ntoken_file = "{token_file}"\nca_file = "{CA}"\n')
    log = open(folder / f"{device}.log", "ab")
    return subprocess.Popen([POLDERD, "run", "--config", config], stdout=log, stderr=log)


def main():
    folder.mkdir()
    maker = make_repository()
    release(maker, "1.0.0", samples=sound())
    processes = [start(*one) for one in json.loads(sys.stdin.readline()).items()]
    try:
        for line in sys.stdin:
            release(maker, line.strip(), broken="clip-2.wav")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


main()
