"""What the tests of faults begin with: a repository with real releases, and an oracle that says,
from the files alone, whether a device holds what somebody released."""
import array
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from onnx_bytes import (field, integers_attribute, onnx_input, onnx_model,  # noqa: E402
                        onnx_node, onnx_output, onnx_weights)
from small_releases import Maker, wav  # noqa: E402

KEYS = ["root", "targets", "online"]
WIDTH, LAYERS = 256, 4
TARGET = {"x86_64": "x86-64-v3", "aarch64": "arm64"}[os.uname().machine]
PATIENCE_S = 120


def scratch_parent():
    """A disk that need not turn, if there is one: what is synced then costs nothing."""
    shm = pathlib.Path("/dev/shm")
    roomy = shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2 << 30
    return shm if roomy else None


def large_model(changed):
    """A megabyte of weights, in layers; those of the layer `changed` are others."""
    parts, above = [onnx_input("x", [1, 576])], "x"
    for layer in range(LAYERS):
        chance = random.Random(layer if layer != changed else 99)
        dims = [576 if layer == 0 else WIDTH, WIDTH]
        weights = array.array("f", (chance.uniform(-0.1, 0.1) for _ in range(dims[0] * dims[1])))
        parts += [field(5, onnx_weights(f"w{layer}", dims, weights.tobytes())),
                  onnx_node("MatMul", [above, f"w{layer}"], [f"h{layer}"], name=f"n{layer}")]
        above = f"h{layer}"
    axes = integers_attribute("axes", [1])
    parts += [onnx_node("ReduceMean", [above], ["m"], axes, name="mean"),
              onnx_node("Sigmoid", ["m"], ["y"], name="last")]
    return onnx_model(*parts, onnx_output("y"))


class Releaser:
    """Keys and an empty repository; copy() gives each scenario its own."""

    def __init__(self, polder, folder):
        self.polder_program, self.folder = polder, folder
        self.repo = folder / "repo"
        self.authorised = set()  # digests of manifests that were signed offline
        self.maker = None

    def make(self):
        self.folder.mkdir(parents=True)
        for name in KEYS:
            self.polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        self.polder("repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.polder("repo", "sign", "repo", "--key", "root.pem", "--key", "targets.pem")
        self.publish()
        shutil.copy(self.repo / "metadata" / "1.root.json", self.folder / "root.json")
        self.maker = Maker(self.polder_program, self.folder, self.repo)
        for changed in (0, 2):
            (self.folder / f"large-{changed}.onnx").write_bytes(large_model(changed))
            self.polder("compile", f"large-{changed}.onnx", "--output", f"large-{changed}.plan",
                        "--target", "generic")
        (self.folder / "clip.wav").write_bytes(wav([0] * 16000))
        return self

    def copy(self, folder):
        shutil.copytree(self.folder, folder)
        other = Releaser(self.polder_program, folder)
        other.maker = Maker.__new__(Maker)
        other.maker.folder, other.maker.repo = folder, other.repo
        return other

    def polder(self, *words):
        done = subprocess.run([self.polder_program, *map(str, words)], cwd=self.folder,
                              capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, f"polder {words}: {done.stderr}"
        return done.stdout

    def publish(self):
        self.polder("repo", "publish", "repo", "--key", "online.pem")

    def release(self, version, model="voice", **options):
        """A small one; options: golden (what it ought to say), sound (what it reads)."""
        text = self.maker.manifest(version, model=model, **options).encode()
        (self.folder / "manifest.json").write_bytes(text)
        self.polder("repo", "add", "repo", "manifest.json", "--target",
                    f"{model}/{version}/manifest.json", "--key", "targets.pem")
        self.publish()
        self.authorised.add(hashlib.sha256(text).hexdigest())

    def add(self, version, description):
        """Of a release.toml, with chunk indexes where files are large."""
        (self.folder / f"{version}.toml").write_text(description)
        made = self.folder / f"made-{version}"
        self.polder("release", "create", f"{version}.toml", "--make-goldens", "--output", made)
        self.polder("repo", "add", "repo", made, "--key", "targets.pem")
        self.publish()
        manifest = (made / "manifest.json").read_bytes()
        self.authorised.add(hashlib.sha256(manifest).hexdigest())

    def large_release(self, version, changed):
        pipeline = self.folder / f"pipeline-{version}.toml"
        pipeline.write_text(small_pipeline() + f"# {version}\n")
        self.add(version, f"""model = "voice"
version = "{version}"
licence = "Apache-2.0"
[[artifact]]
name = "mean"
file = "large-{changed}.plan"
[pipeline]
file = "{pipeline.name}"
files = ["clip.wav"]
[[golden]]
name = "noise"
artifact = "mean"
seed = 7
""")

    def runtime_release(self, version, program):
        shutil.copy(program, self.folder / f"polderd-{version}")
        with (self.folder / f"polderd-{version}").open("ab") as file:
            file.write(version.encode())
        self.add(version, f"""model = "polderd"
version = "{version}"
licence = "Apache-2.0"
[[artifact]]
name = "polderd"
file = "polderd-{version}"
kind = "runtime"
target = "{TARGET}"
""")


def small_pipeline():
    from small_releases import PIPELINE
    return PIPELINE.format(wav="clip.wav", block=512, context=64)


# --- The oracle ----------------------------------------------------------------------------------

def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wanted_files(manifest):
    """Names in a slot, and the digests that the manifest says."""
    files = {}
    for artifact in manifest["artifacts"]:
        is_program = artifact["kind"] == "runtime"
        name = artifact["name"] if is_program else f"models/{artifact['name']}.{artifact['kind']}"
        files[name] = artifact["blob"]
    if "pipeline" in manifest:
        files["pipeline.toml"] = manifest["pipeline"]["blob"]
        files.update(manifest["pipeline"].get("files", {}))
    for golden in manifest.get("goldens", []):
        for tensor in golden["inputs"] + golden["outputs"]:
            files[f"goldens/{tensor['blob']}.npy"] = tensor["blob"]
    return files


def slot_error(device, unit, slot, release, authorised):
    """Why what is in the slot is not the release, whole and signed; None: it is."""
    if release["manifest"] not in authorised:
        return f"{unit}: {release['version']} was never released"
    folder = device / "slots" / unit / slot
    try:
        manifest = (folder / "manifest.json").read_bytes()
        if hashlib.sha256(manifest).hexdigest() != release["manifest"]:
            return f"{unit}: the manifest in slot {slot} is not that of {release['version']}"
        for name, expected in wanted_files(json.loads(manifest)).items():
            if digest(folder / name) != expected:
                return f"{unit}: {name} in slot {slot} is of another release"
    except OSError as error:
        return f"{unit}: slot {slot}: {error}"
    return None


def reports(device):
    """Those that wait on the device, by name: what append() has returned for, and no drafts."""
    return {path.name: digest(path) for path in (device / "reports").glob("*-*.*")
            if path.suffix in (".alarm", ".metrics")}


def reports_error(before, after):
    """What a receiver would count wrongly of what there was before; it counts each key once."""
    lost = [name for name, found in before.items() if after.get(name) != found]
    if lost:
        return f"reports: {lost} are lost or changed"
    keys = [name.split(".")[0] for name in after]
    return None if len(keys) == len(set(keys)) else f"reports: a key twice: {sorted(after)}"


# --- A device ------------------------------------------------------------------------------------

def read_state(device):
    """As the agent has saved it; None: not yet."""
    for name in ("state.json", "state.backup.json"):
        try:
            return json.loads((device / name).read_text())["state"]
        except (OSError, ValueError, KeyError):
            pass
    return None


class Peak(threading.Thread):
    """The most memory that a process had resident, looked at until it ends. Its resource usage
    would count what this interpreter had when it was started."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.peak = pathlib.Path(f"/proc/{pid}/status"), 0
        self.start()

    def run(self):
        while True:
            try:
                found = re.search(r"VmHWM:\s+(\d+) kB", self.path.read_text())
            except OSError:
                return
            if not found:
                return
            self.peak = int(found[1])
            time.sleep(0.002)

    def kilobytes(self):
        self.join()
        return self.peak


class Device:
    """Where polderd runs, with settings of its own."""

    def __init__(self, polderd, releaser, folder, repository=None, network="", clock_library=None):
        self.polderd, self.releaser, self.folder = polderd, releaser, folder
        self.clock_library = clock_library
        self.home = folder / "device"
        folder.mkdir(parents=True)
        self.config = folder / "polderd.toml"
        self.config.write_text(
            f'device = "camera-17"\nmodels = ["voice"]\nfolder = "{self.home}"\n'
            f'repository = "{repository or releaser.repo}"\nroot = "{releaser.folder}/root.json"\n'
            f"[updates]\ncheck_every_s = 1\nobserve_s = 1\n[network]\n{network}")

    def command(self, *words):
        return [self.polderd, *map(str, words), "--config", self.config]

    def environment(self):
        environment = {"PATH": os.environ["PATH"]}
        if self.clock_library is not None:
            environment |= {"LD_PRELOAD": str(self.clock_library),
                            "WRONG_CLOCK": str(self.folder / "clock")}
        return environment

    def set_clock(self, wrong_by_s):
        """At once, while it runs too. Needs `clock_library` (wrong_clock.cpp)."""
        fresh = self.folder / "clock.new"
        fresh.write_text(str(wrong_by_s))
        fresh.rename(self.folder / "clock")

    def install(self):
        """polderd check --install: its status, what it said, its peak of memory in KB."""
        process = subprocess.Popen(self.command("check", "--install", "--json"), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=self.environment(), start_new_session=True)
        peak = Peak(process.pid)
        said = process.stdout.read()
        process.stdout.close()
        process.wait()
        return process.returncode, said, peak.kilobytes()

    def unit(self):
        state = read_state(self.home)
        return state["units"]["voice"] if state else {"active": "none"}

    def running(self):
        release = self.unit().get(self.unit()["active"])
        return release and release["version"]

    def error(self):
        """Why what runs is not a release, whole and signed."""
        unit = self.unit()
        release = unit.get(unit["active"])
        return release and slot_error(self.home, "voice", unit["active"], release,
                                      self.releaser.authorised)

