#!/usr/bin/python3
"""polder-hub backup and restore, in the clear and encrypted, rekey and copy are killed at every
system call that changes something, and in the middle of writes: what they began is never taken for
whole, nothing of before is lost, and the same command, run again, ends as one that was never cut
off.

    hub_kill_test.py POLDER_HUB POLDER KILL_POINTS [--every N] [--command C [--point K [--half]]]

A recorded run counts the points of a command; --every N takes each N-th. --point K replays one and
keeps its folder. The database is SQLite.
"""
import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from hubs import Hub  # noqa: E402

SPLIT = ("write", "pwrite")
CLEAR = (b"PRIVATE KEY", b"SQLite format 3")  # what files say of themselves
KEYS = ("ca-key.pem", "ca.pem", "server-key.pem", "server.pem", "audit-key.pem", "online-key.pem",
        "hub-online.pub.pem")
TABLES = ("device", "certificate", "approval", "model_release", "person_token", "audit_entry")
PATIENCE_S = 60


class Wrong(Exception):
    pass


def want(condition, what):
    if not condition:
        raise Wrong(what)


def leftovers(folder):
    return list(folder.rglob(".polder-*.tmp"))


def digests(folder):
    """Of all files but the database's, by their paths; not of what had no name yet."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()
            and not path.name.startswith("hub.db") and path not in leftovers(folder)
            and folder / ".backup" not in path.parents}


def ask(database, query):
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return opened.execute(query).fetchall()


def rows(database, tables=TABLES):
    want(ask(database, "PRAGMA integrity_check") == [("ok",)], f"{database} is damaged")
    return {table: sorted(map(repr, ask(database, f"SELECT * FROM {table}"))) for table in tables}


class Command:
    """One that is killed, in a folder of its own: what is there before, and what must come of it.
    `whole` raises Wrong where it is not."""

    def __init__(self, test, folder):
        self.test, self.folder = test, folder
        folder.mkdir(parents=True)
        self.hub = folder / "hub"

    def bring_the_hub(self):
        shutil.copytree(self.test.hub, self.hub)

    def again(self):
        """Once more, as it was run."""
        return self.test.polder_hub(*self.words())

    def is_half(self):
        """That the marker is there, and nothing else begins."""
        if not (self.hub / "unfinished").exists():
            return False
        for words in (("serve", "--listen", "127.0.0.1:0"), ("admin-token",),
                      ("backup", self.folder / "none")):
            done = self.test.polder_hub(*words, "--folder", self.hub)
            want(done.returncode == 1 and "was cut off here" in done.stderr,
                 f"{words[0]} in the half: {done.stderr}")
        return True

    def serves(self):
        """With the keys that are there; new ones where there are none."""
        hub = Hub(self.test.program, self.hub)
        hub.token = "not asked"
        try:
            hub.start()
        finally:
            hub.kill()


class BackupOf(Command):
    def prepare(self):
        self.bring_the_hub()
        self.before, self.out = digests(self.hub), self.folder / "out"

    def words(self):
        return "backup", self.out, "--folder", self.hub

    def killed(self):
        want(digests(self.hub) == self.before, "the hub was changed")
        if not self.out.exists():
            return False
        self.whole()
        shutil.rmtree(self.out)
        return False

    def whole(self):
        done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=self.out,
                              capture_output=True, text=True)
        want(done.returncode == 0, done.stdout + done.stderr)
        self.has_all()
        for path in self.out.rglob("*"):
            want(path.stat().st_mode & 0o077 == 0, f"{path} is not its user's alone")

    def has_all(self):
        there = digests(self.out)
        missing = {name for name in self.before if not name.startswith("uploads/")} - there.keys()
        want(not missing, f"not in the backup: {missing}")
        want(rows(self.out / "hub.db") == rows(self.hub / "hub.db"), "the database differs")


class SealedBackupOf(BackupOf):
    def words(self):
        return *super().words(), "--passphrase-file", self.test.passphrase

    def killed(self):
        for path in self.folder.glob("out*/**/*"):
            want(not path.is_file() or not any(word in path.read_bytes() for word in CLEAR),
                 f"{path} is in the clear")
        return super().killed()

    def has_all(self):
        want(not (self.hub / ".backup").exists(), "what was made for it is left")
        again = self.folder / "again"
        done = self.test.polder_hub("restore", self.out, "--folder", again, "--passphrase-file",
                                    self.test.passphrase)
        want(done.returncode == 0, f"restored: {done.stderr}")
        there = digests(again)
        for name, digest in self.before.items():
            if not name.startswith(("uploads/", "audit.log")):
                want(there.get(name) == digest, f"{name} differs")
        shutil.rmtree(again)


class RestoreOf(Command):
    def prepare(self):
        pass

    def words(self):
        return "restore", self.test.backup, "--folder", self.hub

    def killed(self):
        if self.is_half():
            return False
        if not self.hub.exists() or not digests(self.hub):
            return False
        self.whole()
        return True

    def whole(self):
        want(not leftovers(self.hub), f"left: {leftovers(self.hub)}")
        there, taken = digests(self.hub), digests(self.test.backup)
        for name, digest in taken.items():
            if name not in ("backup.json", "SHA256SUMS") and not name.startswith("audit.log"):
                want(there.get(name) == digest, f"{name} is not that of the backup")
        former, = (self.hub / "former").iterdir()
        for name in ("audit.log", "audit.log.checkpoints"):
            want(there[f"former/{former.name}/{name}"] == taken[name], f"{name} of before")
        first = json.loads((self.hub / "audit.log").read_text().splitlines()[0])
        want(first["object"].endswith("/" + former.name), f"the log begins with {first}")
        database = self.hub / "hub.db"
        same = [table for table in TABLES if table != "audit_entry"]
        want(rows(database, same) == rows(self.test.backup / "hub.db", same), "its rows differ")
        want(len(ask(database, "SELECT 1 FROM restoration")) == 1, "restorations")
        want(len(ask(database, "SELECT 1 FROM audit_pending WHERE act = 'hub_restored'")) == 1,
             "how often it is on record")
        self.serves()


class SealedRestoreOf(RestoreOf):
    def words(self):
        return ("restore", self.test.sealed, "--folder", self.hub, "--passphrase-file",
                self.test.passphrase)


class RekeyOf(Command):
    def prepare(self):
        self.bring_the_hub()
        self.before = digests(self.hub)

    def words(self):
        return "rekey", "--folder", self.hub

    def killed(self):
        if self.is_half():
            return False
        if digests(self.hub) == self.before:
            return False
        self.whole()
        return True

    def whole(self):
        want(not leftovers(self.hub), f"left: {leftovers(self.hub)}")
        there = digests(self.hub)
        former, = (self.hub / "former").iterdir()
        for name in (*KEYS, "audit.log", "audit.log.checkpoints"):
            want(name not in there, f"{name} is still there")
            want(there[f"former/{former.name}/{name}"] == self.before[name], f"{name} of before")
        tokens = ask(self.hub / "hub.db", "SELECT 1 FROM person_token WHERE revoked_s IS NULL")
        want(len(tokens) == 1, f"{len(tokens)} tokens hold")
        end = (self.hub / "audit.log.before").read_text().splitlines()
        self.serves()
        first = json.loads((self.hub / "audit.log").read_text().splitlines()[0])
        want(end[0] in json.dumps(first), f"the log begins with {first}")


class CopyOf(Command):
    def prepare(self):
        self.bring_the_hub()
        self.before, self.to = rows(self.hub / "hub.db"), self.folder / "to.db"

    def words(self):
        return "copy", "--from", self.hub / "hub.db", "--to", self.to

    def killed(self):
        want(rows(self.hub / "hub.db") == self.before, "what is copied was changed")
        try:
            if not ask(self.to, "SELECT 1 FROM device"):
                return False
        except sqlite3.OperationalError:  # it is not there, or has no tables
            return False
        self.whole()
        return True

    def whole(self):
        want(rows(self.to) == self.before, "not all has arrived")


COMMANDS = {"backup": BackupOf, "sealed-backup": SealedBackupOf, "restore": RestoreOf,
            "sealed-restore": SealedRestoreOf, "rekey": RekeyOf, "copy": CopyOf}


class Test:
    def __init__(self, options):
        self.program, self.polder = options.polder_hub.resolve(), options.polder.resolve()
        self.tracer, self.kept = options.kill_points.resolve(), options.point is not None
        self.scratch = pathlib.Path(tempfile.mkdtemp(
            prefix="polder-hub-kill-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.hub, self.backup = self.scratch / "made", self.scratch / "taken"
        self.sealed, self.passphrase = self.scratch / "sealed", self.scratch / "passphrase"
        self.failures = []

    def make(self):
        """A hub with a repository, people and tokens, that was ended; and its backup."""
        hub = Hub(self.program, self.hub).start()
        try:
            hub.let_assign(self.polder, self.scratch / "people")
            hub.enrolment_token()
        finally:
            hub.end()
        with contextlib.closing(sqlite3.connect(self.hub / "hub.db")) as database:
            database.execute("INSERT INTO device (id, key_id, enrolled_s) VALUES ('d', 'k', 1)")
            database.commit()
        self.passphrase.write_text("correct horse battery staple\n")
        self.passphrase.chmod(0o600)
        for words in ([self.backup],
                      [self.sealed, "--passphrase-file", self.passphrase]):
            done = self.polder_hub("backup", *words, "--folder", self.hub)
            assert done.returncode == 0, done.stderr

    def polder_hub(self, *words):
        return subprocess.run([self.program, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE_S, env={"PATH": os.environ["PATH"]})

    def traced(self, command, *words):
        done = subprocess.run(
            [self.tracer, "--below", command.folder, *words, "--", self.program,
             *map(str, command.words())], capture_output=True, text=True, timeout=PATIENCE_S,
            env={"PATH": os.environ["PATH"]})
        assert done.stdout.strip(), done.stderr
        return done.stdout.splitlines()[-1]

    def fresh(self, name, folder):
        command = COMMANDS[name](self, self.scratch / name / folder)
        command.prepare()
        return command

    def points(self, name):
        """(number, in the middle of that write, what it is)."""
        command, record = self.fresh(name, "recorded"), self.scratch / f"{name}.points"
        said = self.traced(command, "--record", record)
        assert said.startswith("ended 0 "), said
        command.whole()
        points = []
        for line in record.read_text().splitlines():
            number, _, call, place, size = line.split("\t")
            points.append((int(number), False, f"{call} {place}"))
            if call in SPLIT and int(size) > 1:
                points.append((int(number), True, f"{call} {place}, in the middle"))
        return points

    def kill(self, name, number, is_half, what):
        command = self.fresh(name, f"{number}{'-half' if is_half else ''}")
        try:
            said = self.traced(command, "--kill", str(number), *(["--half"] if is_half else []))
            want(said.startswith(("killed", "ended 0")), f"the tracer says: {said}")
            if not command.killed():
                done = command.again()
                want(done.returncode == 0, f"again: {done.stderr}")
                command.whole()
        except Exception as error:  # a test that cannot look has found something, too
            self.failures.append(f"{name}: {what}: {error!r}\nagain: --command {name} --point "
                                 f"{number}{' --half' if is_half else ''}")
        else:
            if not self.kept:
                shutil.rmtree(command.folder)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("polder_hub", "polder", "kill_points"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--command", choices=COMMANDS)
    parser.add_argument("--point", type=int, metavar="K")
    parser.add_argument("--half", action="store_true", help="in the middle of that write")
    options = parser.parse_args()
    if options.point is not None and not options.command:
        parser.error("--point needs --command")
    return options


def main():
    options, kills = parse(), 0
    test = Test(options)
    try:
        test.make()
        with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            for name in [options.command] if options.command else COMMANDS:
                points = test.points(name)
                chosen = points[::options.every] if options.point is None else [
                    p for p in points if p[:2] == (options.point, options.half)]
                list(pool.map(lambda point: test.kill(name, *point), chosen))
                print(f"  {name:<15}{len(points):>5} points, {len(chosen):>5} kills", flush=True)
                kills += len(chosen)
        print(f"{kills} kills, {len(test.failures)} of them wrong")
        print("\n".join(test.failures[:10]))
        if test.kept:
            print(f"kept: {test.scratch}")
        return 1 if test.failures or not kills else 0
    finally:
        if not test.kept:
            shutil.rmtree(test.scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
