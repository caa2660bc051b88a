#!/usr/bin/python3
"""Every test and file that docs/security.md names exists.

    tests/security_doc_test.py SOURCE_FOLDER
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / "docs" / "security.md").read_text()
tests = set()
for folder in ("src", "tests"):
    for file in (root / folder).rglob("*.cpp"):
        for suite, name in re.findall(r"^TEST(?:_[FP])?\((\w+),\s*(\w+)\)", file.read_text(), re.M):
            tests.add(f"{suite}.{name}")
problems = []
named = re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", text)
problems += [f"no test {name}" for name in named if name not in tests]
files = re.findall(r"`((?:tests|scripts|examples)/[\w/.-]+)", text)
problems += [f"no file {name}" for name in files if not (root / name).exists()]
if not named or not files:
    problems.append("it names no tests or no files: has its form changed?")
for problem in problems:
    print(f"docs/security.md: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
