#!/usr/bin/python3
"""Runs a program's tests against a PostgreSQL server of its own, which is gone afterwards.

    postgres_test.py PROGRAM [ARGUMENT...]     POLDER_POSTGRES names the server to it

Tests that are Python import it to pull the server's plug: Server.of_environment().
"""
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

USER = "postgres"  # as Debian's package makes it: a server does not run as root


def tool(name):
    """Of the newest version that is installed."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
                   key=lambda path: int(path.parts[-3]))
    if not found:
        sys.exit(f"{name}: PostgreSQL is not installed: scripts/setup test")
    return str(found[-1])


def as_user(*command):
    if os.geteuid() == 0:
        command = ("runuser", "-u", USER, "--", *command)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stdout}")


class Server:
    """In a folder of its own, reached by a socket there: no port that another may have."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    @classmethod
    def of_environment(cls):
        return cls(os.environ["POLDER_POSTGRES_FOLDER"])

    def url(self, database="postgres"):
        return f"postgresql:///{database}?host={self.folder}&user={USER}"

    def control(self, *words):
        as_user(tool("pg_ctl"), "-D", str(self.folder / "data"), *words)

    def make(self):
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        as_user(tool("initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-U", USER, "-E",
                "UTF8", "--no-locale", "--no-sync")

    def start(self):
        # It is killed here, its machine never is: what it wrote and did not sync is there again.
        self.control("-l", str(self.folder / "log"), "-w", "-t", "60", "-o",
                     f"-c listen_addresses='' -c unix_socket_directories={self.folder} "
                     "-c fsync=off", "start")

    def stop_at_once(self):
        """As when its machine loses its power: it writes nothing more."""
        self.control("-m", "immediate", "-w", "stop")

    def new_database(self, name):
        as_user(tool("createdb"), "-h", str(self.folder), "-U", USER, name)
        return self.url(name)


def main():
    server = Server(tempfile.mkdtemp(prefix="polder-postgres-"))
    try:
        server.make()
        server.start()
        try:
            environment = {**os.environ, "POLDER_POSTGRES": server.url(),
                           "POLDER_POSTGRES_FOLDER": str(server.folder)}
            return subprocess.run(sys.argv[1:], env=environment).returncode
        finally:
            server.stop_at_once()
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
