"""Mistakes, put one by one into copies of files: the program of a test, with such a copy, must
fail. Shared by the lists of mistakes, tests/*/*mutants.py.

Where a mistake can be a choice at run time (`switched`) many of them share one program, which the
environment tells which one to make; else each has a program of its own.
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
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 300
# Speed and warnings are no matter here; dependencies belong to the build's own objects.
DROPPED = {"-MD", "-Werror", "-Wall", "-Wextra", "-O3"}
SWITCH = """#include <cstdlib>
namespace { const char* const mutant_text = std::getenv("POLDER_MUTANT");
const int mutant_number = mutant_text ? std::atoi(mutant_text) : 0; }
#line 1
"""
IF = re.compile(r"(\s*)if \((.*)\)((?: \{| return| continue).*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Mistake:
    name: str
    file: str    # of the repository
    before: str  # what is there, once
    after: str   # what stands in its place; with MUTANT, what is so where that is true

    def switched(self):
        """What does both, by MUTANT; None where there is no such thing."""
        if "MUTANT" in self.after:
            return self.after
        if not self.after and self.before.rstrip().endswith(";"):
            return f"if (!MUTANT) {{ {self.before} }}\n"
        was, now = IF.fullmatch(self.before), IF.fullmatch(self.after)
        if was and now and was[3] == now[3]:
            return f"{was[1]}if (MUTANT ? bool({now[2]}) : bool({was[2]})){was[3]}"
        if was and was[3].strip() == self.after.strip():
            return f"{was[1]}if (MUTANT || ({was[2]})){was[3]}"
        return None


@dataclasses.dataclass(frozen=True)
class Program:
    target: str       # of cmake
    arguments: tuple  # with which it must fail
    sources: dict     # what is compiled anew where a header is changed: of its name, a list
    said: object      # from its output, what it has found


def commands_of(build, target):
    done = subprocess.run(["ninja", "-C", build, "-t", "commands", target], check=True,
                          capture_output=True, text=True)
    return done.stdout.splitlines()


def compile_copy(commands, build, folder, source):
    """Compiles the source, or its copy in the folder: the object that it replaces, and the new."""
    words = shlex.split(next(line for line in commands if f"/{source}.o -c" in line))
    words = [word for word in words if word not in DROPPED]
    for option in ("-MT", "-MF"):
        at = words.index(option)
        del words[at:at + 2]
    at = words.index("-o") + 1
    replaced, words[at] = words[at], str(folder / (pathlib.Path(source).stem + ".o"))
    compiled = words[at]
    if (folder / source).exists():
        words[-1] = str(folder / source)
    first = next(i for i, word in enumerate(words) if word.startswith("-I"))
    words.insert(first, f"-I{folder / 'src'}")
    subprocess.run(words, cwd=build, check=True)
    return replaced, compiled


def edited(texts, mistakes, numbers):
    """Files with these mistakes in them: as they are, or switched where there are numbers."""
    for mistake in sorted(mistakes, key=lambda m: -(ROOT / m.file).read_text().find(m.before)):
        text = texts.get(mistake.file) or (ROOT / mistake.file).read_text()
        after = mistake.after
        if numbers:
            after = mistake.switched().replace("MUTANT", f"(mutant_number == {numbers[mistake]})")
        at = (ROOT / mistake.file).read_text().find(mistake.before)
        texts[mistake.file] = text[:at] + after + text[at + len(mistake.before):]
    return {file: (SWITCH if numbers else "") + text for file, text in texts.items()}


def build_with(build, commands, program, folder, mistakes, numbers=None):
    (folder / "src").mkdir(parents=True)
    sources = []
    for file, text in edited({}, mistakes, numbers).items():
        copy = folder / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        sources += program.sources.get(file, [file])
    linked = f" -o {program.target} "
    link = shlex.split(next(line for line in reversed(commands) if linked in line))
    link = [word for word in link if word not in (":", "&&")]
    out = link.index("-o")
    link[out + 1] = str(folder / program.target)
    for source in sources:
        replaced, compiled = compile_copy(commands, build, folder, source)
        # One in a library is passed over once its names are known.
        if replaced in link:
            link[link.index(replaced)] = compiled
        else:
            link.insert(out, compiled)
    subprocess.run(link, cwd=build, check=True)
    return folder / program.target


def run(program, path, number=0):
    """Its status and what it says."""
    try:
        done = subprocess.run([path, *program.arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S, cwd=path.parent,
                              env={**os.environ, "POLDER_MUTANT": str(number)})
    except subprocess.TimeoutExpired:
        return 1, f"no end after {PATIENCE_S} s"
    return done.returncode, program.said(done)


def layers(mistakes):
    """Lists of mistakes that stand apart from each other; those that cannot be switched alone."""
    out, alone = [], []
    for mistake in mistakes:
        if mistake.switched() is None:
            alone.append([mistake])
            continue
        at = (ROOT / mistake.file).read_text().find(mistake.before)
        span = (mistake.file, at, at + len(mistake.before))
        for layer, spans in out:
            if all(file != span[0] or end <= span[1] or span[2] <= start
                   for file, start, end in spans):
                layer.append(mistake)
                spans.append(span)
                break
        else:
            out.append(([mistake], [span]))
    return [layer for layer, _ in out], alone


def results_of(build, program, mistakes, scratch, pool):
    """Of each mistake, and of None: status and what was said."""
    commands = commands_of(build, program.target)
    switched, alone = layers(mistakes)
    if not switched:
        alone = [[], *alone]
    numbers = {mistake: i + 1 for layer in switched for i, mistake in enumerate(layer)}
    groups = [*switched, *alone]
    paths = list(pool.map(
        lambda i: build_with(build, commands, program, scratch / str(i), groups[i],
                             numbers if i < len(switched) else None), range(len(groups))))
    jobs = [(mistake, path, numbers.get(mistake, 0)) for group, path in zip(groups, paths)
            for mistake in group or [None]]
    if switched:
        jobs.insert(0, (None, paths[0], 0))
    done = pool.map(lambda job: run(program, job[1], job[2]), jobs)
    return {job[0]: result for job, result in zip(jobs, done)}


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
    lost = [item for item in chosen if (ROOT / item.file).read_text().count(item.before) != 1]
    for item in lost:
        print(f"LOST   {item.name}: its place is not in {item.file} any more, or not once")
    chosen = [item for item in chosen if item not in lost]
    with tempfile.TemporaryDirectory() as scratch:
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            results = results_of(pathlib.Path(given.build).resolve(), program, chosen,
                                 pathlib.Path(scratch), pool)
    missed = len(lost)
    for case in [None, *chosen]:
        status, said = results[case]
        missed += status != 0 if case is None else status == 0
        word = "as is " if case is None else "MISSED" if status == 0 else "found "
        print(f"{word} {case.name + ': ' if case else ''}{said}")
    print(f"{len(chosen) + len(lost)} mistakes, {missed} missed")
    return 1 if missed else 0
