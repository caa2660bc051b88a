#!/usr/bin/python3
"""Holds the tracked files to the parts of our style that a machine can check.

    style_test.py ROOT         checks the tree at ROOT: prints file:line of each breach, exit 1
    style_test.py --self-test  breaks each rule in a scratch tree and expects to be told
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

MAX_COLUMNS = 100
MAX_FILE_BYTES = 1 << 20
CODE = {".h", ".cpp", ".cmake", ".py", ".proto", ".fbs"}
COMMENT = re.compile(r"^\s*(//|/\*|#(?!\s*(pragma|include|if|define))|\"\"\")")
# Files that people or tools lay out by other rules.
FREE_FORM = re.compile(r"(^|/)(LICENSE|models\.txt)$|\.(md|html|json|svg|csv|jsonl)$|^tests/data/"
                       r"|\.go$|(^|/)go\.(mod|sum)$|^web/src/text/")
CORPUS = re.compile(r"^fuzz/corpus/")  # anything goes there, up to a size
# Built from pieces, so that this file does not break its own rules.
HOSTS = re.compile(r"\b(" + "|".join(host.replace(".", r"\.") for host in [
    "pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com", "crates" + ".io",
    "proxy.golang" + ".org", "maven" + ".org", "maven.apache" + ".org", "deb.debian" + ".org",
    "snapshot.debian" + ".org", "nodesource" + ".com", "huggingface" + ".co"]) + r")\b")
PATHS = re.compile(r"(?<![\w./-])/(work|home|root)/\w")


def breaches_of_line(name, line):
    """Why one line of text breaks the style; nothing when it does not."""
    if not FREE_FORM.search(name):
        if len(line) > MAX_COLUMNS:
            yield f"{len(line)} columns; {MAX_COLUMNS} at most"
        if "\t" in line and not name.endswith("Makefile"):
            yield "a tab; indent with spaces"
        if line != line.rstrip():
            yield "space at the end of the line"
    if HOSTS.search(line):
        yield f"a registry's host ({HOSTS.search(line).group(0)}); name the package only"
    if PATHS.search(line):
        yield f"an absolute path of one machine ({PATHS.search(line).group(0)}...)"


def head_breach(name, lines, names):
    """Why the head of a code file breaks the style, or None.

    A .cpp file whose header says what both are for needs no head of its own; nor does a test."""
    stem = pathlib.PurePath(name).stem
    if name.endswith("_test.cpp") or name.endswith(".cpp") and any(
            other.endswith(f"/{stem}.h") for other in names):
        return None
    first = next((line for line in lines if line.strip() and not line.startswith("#!")), "")
    if not COMMENT.match(first):
        return "the file must begin with a comment that says what it is for"
    if name.endswith(".h") and "#pragma once" not in lines:
        return "a header needs #pragma once"
    return None


def breaches_of_file(name, data, names):
    """Yields (line, why) of each breach in one tracked file."""
    if CORPUS.search(name) or b"\0" in data[:8000]:
        if len(data) > MAX_FILE_BYTES:
            yield 1, f"{len(data)} bytes of binary data; {MAX_FILE_BYTES} at most"
        return
    lines = data.decode(errors="replace").split("\n")
    if data and lines[-1]:
        yield len(lines), "no newline at the end of the file"
    if pathlib.PurePath(name).suffix in CODE and not FREE_FORM.search(name):
        why = head_breach(name, lines, names)
        if why:
            yield 1, why
    for number, line in enumerate(lines, 1):
        for why in breaches_of_line(name, line):
            yield number, why


def tracked_files(root):
    """What git tracks or would add: a new file is held to the style before it is committed."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=root, capture_output=True, check=True).stdout
    return sorted(name for name in out.decode().split("\0") if name and (root / name).is_file())


def check(root):
    """Returns all breaches as `file:line: why`, and the number of files looked at."""
    names = tracked_files(root)
    return [f"{name}:{number}: {why}" for name in names
            for number, why in breaches_of_file(name, (root / name).read_bytes(), names)
            ], len(names)


class SelfTest(unittest.TestCase):
    """A rule that cannot fail is no rule."""

    def expect(self, lines, name, text, names=()):
        """Expects breaches in exactly these lines; `names` are the other files of the tree."""
        found = list(breaches_of_file(name, text.encode(), names))
        self.assertEqual([number for number, _ in found], lines, found)

    def test_good(self):
        self.expect([], "src/base/a.h", "// What a is for.\n#pragma once\nint a();\n")
        self.expect([], "scripts/a.py", '#!/usr/bin/python3\n"""What a is for."""\n')
        self.expect([], "README.md", "a" * 300 + "\n")

    def test_heads(self):
        self.expect([1], "src/base/a.cpp", "#include <vector>\n")
        self.expect([], "src/base/a.cpp", "#include <vector>\n", ["src/base/a.h"])
        self.expect([], "src/base/a_test.cpp", "#include <vector>\n")
        self.expect([1], "src/base/a.h", "// What a is for.\nint a();\n")

    def test_lines(self):
        head = "// What a is for.\n"
        self.expect([2], "src/base/a.cpp", head + "int " + "a" * 100 + ";\n")
        self.expect([2], "src/base/a.cpp", head + "\tint a;\n")
        self.expect([2], "src/base/a.cpp", head + "int a; \n")
        self.expect([2], "src/base/a.cpp", head + "int a;")

    def test_hosts_and_paths(self):
        self.expect([1], "README.md", "see pypi" + ".org for it\n")
        self.expect([2], "scripts/a", "#!/bin/sh\ncd /" + "work/main\n")
        self.expect([], "README.md", "the folder build/work/a, and https://example.com/home/a\n")

    def test_untracked_files_count(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            subprocess.run(["git", "init", "-q", folder], check=True)
            (root / "a.cpp").write_text("int a;\n")
            (root / ".gitignore").write_text("b.cpp\n")
            (root / "b.cpp").write_text("int b;\n")
            found, count = check(root)
            self.assertEqual((len(found), count), (1, 2), found)


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=sys.argv[:1])
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    breaches, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(breaches + [f"{count} files, {len(breaches)} breaches"]))
    if count == 0:
        sys.exit("no tracked file found: is this the root of the tree?")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
