"""The sources of a release that compiles in a blink, for tests of what is done with releases."""
from onnx_bytes import onnx_input, onnx_model, onnx_node, onnx_output

RELEASE = """model = "{model}"
version = "{version}"
licence = "Apache-2.0"
[[artifact]]
name = "plus"
file = "plus.plan"
[[golden]]
name = "noise"
artifact = "plus"
seed = 1
"""


def make(polder, folder, output="plus", model="plus", version="1.0.0"):
    """folder/output, by `polder(*words)`, which runs the program in the folder."""
    if not (folder / "plus.plan").exists():
        (folder / "plus.onnx").write_bytes(onnx_model(
            onnx_node("Sigmoid", ["x"], ["y"]), onnx_input("x", [1, 4]), onnx_output("y")))
        polder("compile", "plus.onnx", "--target", "generic", "--output", "plus.plan")
    (folder / "release.toml").write_text(RELEASE.format(model=model, version=version))
    polder("release", "create", "release.toml", "--make-goldens", "--output", output)
