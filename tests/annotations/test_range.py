"""The range that is given for images of more than 8 bits holds for the comparison, the review and a resumed run."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from crispseg.annotations.labelme import Labelme
from crispseg.annotations.review.cards import cards_of
from crispseg.annotations.run import Places, clean_annotations
from crispseg.cli.main import main
from crispseg.data.run_lengths import Mask
from tests.annotations.files import write_images, write_labelme
from tests.annotations.test_formats import grow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`labelme` and `images` of 16 bits, which use values up to 255."""
    for path in write_images(tmp_path).iterdir():
        Image.fromarray(np.asarray(Image.open(path))[..., 0].astype(np.uint16)).save(path)
    write_labelme(tmp_path)
    return tmp_path


def test_the_range_reaches_the_comparison_and_the_review(root: Path) -> None:
    seen = list[Tensor]()

    def look(image: Tensor, masks: list[Mask]) -> list[Mask]:
        seen.append(image)
        return grow(image, masks)

    values = (0.0, 1000.0)
    places = Places(root / "labelme", root / "images", root / "out")
    summary = clean_annotations(places, Labelme(), look, settings={}, value_range=values)
    given = np.asarray(Image.open(root / "images" / "a.png"))
    np.testing.assert_allclose(seen[0][0].numpy(), given / np.float32(1000), atol=1e-6)
    for _, pictures in cards_of(summary.compared, Labelme(), places.root, 9, values):
        assert np.asarray(pictures["whole"]).max() < 0.3 * 255


def test_the_command_takes_a_range_and_resumes_with_no_other(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cue = ["--cue", "rgb", "--window", "5", "--passes", "9"]
    command = ["annotations", str(root / "labelme"), "--images", str(root / "images"), *cue]
    assert main([*command, "--dry-run", "--range", "3000"]) == 2
    assert "range '3000': expected LOW,HIGH, such as 0,3000" in capsys.readouterr().err
    command += ["--output", str(root / "out"), "--review", str(root / "review")]
    assert main([*command, "--range", "0,255"]) == 0
    assert (root / "review" / "pictures" / "00000-whole.jpg").is_file()
    assert "--range 0,255" in (root / "review" / "data.js").read_text()
    assert main([*command, "--range", "0,255.0", "--resume"]) == 0
    assert "2 images were compared before" in capsys.readouterr().out
    assert main([*command, "--range", "full", "--resume"]) == 2
    assert re.search(r"range \[0.0, 255.0\] there, full now", capsys.readouterr().err)
