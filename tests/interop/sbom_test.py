#!/usr/bin/env python3
"""A release's bill of materials against CycloneDX's own schema, as PyPI's cyclonedx-python-lib
has it.

    sbom_test.py POLDER INTEROP [TEST...]

Runs in the Python that scripts/fetch-interop has made.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

POLDER = pathlib.Path(sys.argv[1]).resolve()
DESCRIPTION = """
model = "agent"
version = "1.0.0-rc.1"
licence = "Apache-2.0 AND LicenseRef-Acme"
[[artifact]]
name = "agent"
file = "agent"
kind = "runtime"
target = "arm64"
[card]
summary = "Summary."
intended_use = "Use."
limitations = "Limits."
training_data = "Training."
evaluation_data = "Evaluation."
ethics = "Ethics."
contact = "Contact."
[[card.metric]]
name = "accuracy"
slice = "night"
value = 0.69
[lineage]
[[lineage.dataset]]
name = "data"
file = "agent"
licence = "MIT"
[[lineage.parent]]
model = "agent"
version = "0.9.0"
sha256 = "%s"
"""


class Sbom(unittest.TestCase):
    def valid(self, text):
        return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None

    def sbom(self, description):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "agent").write_bytes(b"\x7fELF" + bytes(60))
            (folder / "release.toml").write_text(description)
            subprocess.run([POLDER, "release", "create", "release.toml", "--output", "out"],
                           cwd=folder, check=True, capture_output=True)
            digest = json.loads((folder / "out/manifest.json").read_text())["sbom"]
            return (folder / "out/blobs/sha256" / digest[:2] / digest).read_text()

    def test_all_that_it_can_hold(self):
        text = self.sbom(DESCRIPTION % hashlib.sha256(b"parent").hexdigest())
        self.assertTrue(self.valid(text))
        document = json.loads(text)
        document["metadata"]["component"]["modelCard"]["unknown"] = 1
        self.assertFalse(self.valid(json.dumps(document)))

    def test_the_least(self):
        self.assertTrue(self.valid(self.sbom(DESCRIPTION.split("[card]")[0])))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
