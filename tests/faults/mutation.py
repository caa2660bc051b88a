"""Mistakes, put one by one into copies of files: the program of a test, built with such a copy,
must fail. Shared by the lists of mistakes, tests/*/*mutants.py.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 600
# Speed and warnings are no matter here; dependencies belong to the build's own objects.
DROPPED = {"-MD", "-Werror", "-Wall", "-Wextra", "-O3"}


@dataclasses.dataclass(frozen=True)
class Mistake:
    name: str
    file: str    # of the repository
    before: str  # what is there, once
    after: str   # what stands in its place


@dataclasses.dataclass(frozen=True)
class Program:
    target: str                # of cmake
    arguments: tuple           # with which it must fail
    # The files that are compiled anew for one that is changed: (file, cmake's target of it).
    sources: dict
    # From its output, what it has found.
    said: object


def commands_of(build, target):
    done = subprocess.run(["ninja", "-C", build, "-t", "commands", target], check=True,
                          capture_output=True, text=True)
    return done.stdout.splitlines()


def compile_copy(commands, build, folder, source, mistake):
    """Compiles the source with the mistake in it or in a header: the object that it stands for, and
    the new one."""
    words = shlex.split(next(line for line in commands if f"/{source}.o -c" in line))
    words = [word for word in words if word not in DROPPED]
    for option in ("-MT", "-MF"):
        at = words.index(option)
        del words[at:at + 2]
    at = words.index("-o") + 1
    replaced, words[at] = words[at], str(folder / (pathlib.Path(source).stem + ".o"))
    if mistake and source == mistake.file:
        words[-1] = str(folder / source)
    first = next(i for i, word in enumerate(words) if word.startswith("-I"))
    words.insert(first, f"-I{folder / 'src'}")
    subprocess.run(words, cwd=build, check=True)
    return replaced, words[at if at < first else at + 1]


def run_with(build, commands, program, folder, mistake):
    """Builds the program with that mistake (None: as it is) and runs it: its status and what it
    says. Status None: the mistake has no place any more."""
    (folder / "src").mkdir(parents=True)
    sources = []
    if mistake:
        text = (ROOT / mistake.file).read_text()
        if text.count(mistake.before) != 1:
            return None, f"its place is {text.count(mistake.before)} times in {mistake.file}"
        copy = folder / mistake.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text.replace(mistake.before, mistake.after))
        sources = program.sources.get(mistake.file, [mistake.file])
    linked = f" -o {program.target} "
    link = shlex.split(next(line for line in reversed(commands) if linked in line))
    link = [word for word in link if word not in (":", "&&")]
    out = link.index("-o")
    link[out + 1] = str(folder / program.target)
    for source in sources:
        replaced, compiled = compile_copy(commands, build, folder, source, mistake)
        # One in a library is passed over once its names are known.
        if replaced in link:
            link[link.index(replaced)] = compiled
        else:
            link.insert(out, compiled)
    subprocess.run(link, cwd=build, check=True)
    try:
        done = subprocess.run([folder / program.target, *program.arguments], capture_output=True,
                              text=True, timeout=PATIENCE_S, cwd=folder)
    except subprocess.TimeoutExpired:
        return 1, f"no end after {PATIENCE_S} s"
    return done.returncode, program.said(done)


def main(about, mistakes, program):
    """0 when each is found, and the program as it is fails in nothing."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("build", help="where cmake has built the programs")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="PATTERN", help="those whose names it is found in")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    chosen = [item for item in mistakes if not given.only or re.search(given.only, item.name)]
    if given.sample is not None:
        chosen = random.Random(given.seed).sample(chosen, min(given.sample, len(chosen)))
    build = pathlib.Path(given.build).resolve()
    commands = commands_of(build, program.target)
    cases = [None, *chosen]
    with tempfile.TemporaryDirectory() as scratch:
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            results = list(pool.map(
                lambda i: run_with(build, commands, program, pathlib.Path(scratch) / str(i),
                                   cases[i]), range(len(cases))))
    missed = 0
    for case, (status, said) in zip(cases, results):
        is_found = status not in (0, None)
        missed += is_found if case is None else not is_found
        word = "found " if case and is_found else "MISSED" if case else "as is "
        print(f"{word} {case.name + ': ' if case else ''}{said}")
    print(f"{len(chosen)} mistakes, {missed} missed")
    return 1 if missed else 0
