#!/usr/bin/python3
"""Runs a program's tests against a PostgreSQL server of its own, which is gone afterwards.

    postgres_test.py PROGRAM [ARGUMENT...]     POLDER_POSTGRES names the server to it
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


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="polder-postgres-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    data, log = folder / "data", folder / "log"
    try:
        as_user(tool("initdb"), "-D", str(data), "-A", "trust", "-U", USER, "-E", "UTF8",
                "--no-locale", "--no-sync")
        # By a socket in its own folder alone: no port that another may have.
        as_user(tool("pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-t", "60", "-o",
                f"-c listen_addresses='' -c unix_socket_directories={folder}", "start")
        try:
            url = f"postgresql:///postgres?host={folder}&user={USER}"
            environment = {**os.environ, "POLDER_POSTGRES": url}
            return subprocess.run(sys.argv[1:], env=environment).returncode
        finally:
            as_user(tool("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
