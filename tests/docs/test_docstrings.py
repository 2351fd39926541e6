"""The summary of a public function is an imperative sentence: "Return the …", "Return whether …".

Ruff's D401 finds verbs in another mood and some articles; this test knows the verbs, and so finds nouns too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_VERBS = """
Add Allow Answer Append Apply Ask Assign Begin Bring Build Call Check Choose Clear Close Collect Combine Compare Compute
Connect Convert Convolve Copy Count Create Crop Cut Decide Decode Define Delete Describe Detect Divide Do Download
Draw Embed Encode End Ensure Estimate Evaluate Exclude Expand Explain Export Extract Fail Fill Filter Find Fit
Forget Format Forward Freeze Gather Generate Give Group Guard Guess Handle Hold Ignore Infer Initialize Insert
Install Interpolate Iterate Join Keep Leave Let Limit List Load Look Make Map Mark Match Measure Merge Mirror Move
Name Normalize Open Pad Parse Pass Plot Predict Prefix Prepare Print Propagate Put Raise Rank Read Reduce Refine
Refuse Register Release Remove Rename Render Repeat Replace Report Reset Reshape Resize Resolve Restore Return Run
Sample Save Say Scale Score Search See Seed Segment Select Send Serve Set Sharpen Shift Show Shuffle Slice Smooth
Sort Split Start Stop Store Sum Take Tell Test Thin Time Train Transform Translate Trim Try Tune Turn Unpack Update
Upload Upsample Use Validate Vary Wait Walk Warn Warp Weigh Wrap Write Yield
"""  # a verb that is missing is added here
VERBS = frozenset(_VERBS.split())


def summaries(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of the docstring of each public function and method; properties are named by nouns."""
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")]
    for node in (node for body in bodies for node in body):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        text = ast.get_docstring(node)
        if text and not any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
            yield node.lineno, text


def not_imperative(source: str) -> list[str]:
    return [
        f"line {line}: {text.splitlines()[0]}"
        for line, text in summaries(source)
        if text.split()[0].rstrip(".,:;") not in VERBS
    ]


@pytest.mark.parametrize(
    "summary", ["What is held.", "Whether it is.", "The sum.", "Sums.", "(N, C) scores.", "A grid."]
)
def test_what_is_no_imperative_is_seen(summary: str) -> None:
    assert not_imperative(f'def function():\n    """{summary}"""\n') == [f"line 1: {summary}"]
    assert not_imperative(f'class Public:\n    def method(self):\n        """{summary}"""\n') == [f"line 2: {summary}"]
    for allowed in ("def _private():", "@property\ndef size():"):
        assert not_imperative(f'{allowed}\n    """{summary}"""\n') == []


def test_summaries_are_imperative() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): faults
        for path in sorted((ROOT / "src").rglob("*.py"))
        if not path.name.startswith(("triton", "_triton"))
        if (faults := not_imperative(path.read_text()))
    }
    assert not found, "begin with a verb, such as Return; a verb that this test does not know is added to _VERBS"
