"""The results of a visitor's session, without a page."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import Sharpener, Window
from crispseg.app.limits import Limits
from crispseg.app.samples import SAMPLES
from crispseg.app.session import Session
from crispseg.app.settings import Cues, offered_cue, offered_cues
from crispseg.app.visitors import Visitors
from crispseg.config import SharpenerConfig
from crispseg.cues import RGBCue
from crispseg.data import read_image, read_prediction
from crispseg.errors import InputError
from crispseg.inference.one_image import fitted_boundary, sharpen_one
from crispseg.nn import LocalFilter
from tests.app.conftest import Given

RGB = offered_cue("rgb").start


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Cues(), Limits(), tmp_path)


@pytest.fixture
def loaded(session: Session, given: Given) -> Session:
    session.desk.load_image(given.image)
    session.desk.load_prediction(given.scores, "logits")
    return session


@pytest.mark.parametrize("cue", offered_cues())
def test_a_result_is_that_of_the_library_bit_for_bit(loaded: Session, given: Given, boundary: Path, cue: str) -> None:
    loaded.desk.load_boundary(boundary)
    config = offered_cue(cue).start.replaced(window="5@2", hardness=3.5, passes=4)
    image, edges = read_image(given.image), None
    if cue == "contour":
        edges = fitted_boundary(boundary, image)
    expected = sharpen_one(image, read_prediction(given.scores), Sharpener.from_config(config), edges)
    for _ in range(2):  # what was kept gives the same
        result = loaded.sharpen(config)
        assert torch.equal(result.before, expected.before)
        assert torch.equal(result.after, expected.after)
        assert result.scores is not None
        assert expected.scores is not None
        assert torch.equal(result.scores, expected.scores)
        loaded.sharpen(config.replaced(hardness=1.0))


def test_features_are_computed_once_for_an_image_and_a_cue(
    loaded: Session, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Size] = []

    def forward(_: RGBCue, image: torch.Tensor) -> torch.Tensor:
        seen.append(image.shape)
        return image

    monkeypatch.setattr(RGBCue, "forward", forward)
    for hardness in (1.0, 40.0):
        for window in (Window(3), Window(9, 2)):
            loaded.sharpen(RGB.replaced(hardness=hardness, window=window))
    loaded.masks((3, 4), RGB)
    loaded.embedding(RGB)
    assert len(seen) == 1
    loaded.desk.load_image(given.image)
    loaded.desk.load_prediction(given.labels, "logits")
    loaded.sharpen(RGB)
    assert len(seen) == 2


@pytest.mark.parametrize("pixel", [(0, 0), (31, 20), (63, 47)])
@pytest.mark.parametrize(
    "options",
    [
        {"cue": "rgb", "window": "3@2", "passes": 1},
        {"cue": "rgb", "window": "3@2", "passes": 3},
        {"cue": "contour", "window": "3@2", "passes": 2},
        {"cue": "rgb", "window": "5@4,3@2,3", "passes": (2, 1, 3)},
    ],
)
@pytest.mark.parametrize("score_weight", [0, 0.4])
def test_masks_are_the_contributions_in_the_whole_image(
    loaded: Session, boundary: Path, pixel: tuple[int, int], options: dict[str, Any], score_weight: float
) -> None:
    loaded.desk.load_boundary(boundary)
    config = SharpenerConfig(**options, hardness=2, score_weight=score_weight)
    masks = loaded.masks(pixel, config)
    if options["cue"] == "rgb":
        features = loaded.desk.inputs.image[None].float() / 255
    else:
        features = torch.zeros(1, 1, 48, 64)
        features[..., 32] = 1
    sharpener = Sharpener.of(Cues().get(config.cue), config)
    before = sharpener.upsample(
        loaded.desk.inputs.image[None], loaded.desk.inputs.prediction.scores[None].float(), features
    )
    x, y = pixel
    filters = (LocalFilter(sharpener.window[0]), masks.one_pass), (sharpener.filter, masks.all_passes)
    for filter, mask in filters:
        values = before.values.clone().requires_grad_()
        filtered = filter(values, lambda window: sharpener.weights(features, before, window))
        (gradient,) = torch.autograd.grad(filtered[0, 0, y, x], values)
        torch.testing.assert_close(mask, gradient[0, 0] / gradient.max())
    assert masks.one_pass[y, x] == masks.one_pass.max() == 1


def test_the_embedding_of_one_map_is_grey(loaded: Session, boundary: Path) -> None:
    loaded.desk.load_boundary(boundary)
    shown = loaded.embedding(offered_cue("contour").start)
    assert shown.shape == (3, 48, 64)
    assert torch.equal(shown[0], shown[2])
    assert shown[0, 0, 30:35].tolist() == [0, 0, 255, 0, 0]
    coloured = loaded.embedding(RGB)
    assert not torch.equal(coloured[0], coloured[2])


def test_a_new_image_begins_anew_and_the_first_does_not(session: Session, given: Given, tmp_path: Path) -> None:
    session.desk.load_prediction(given.scores, "logits")
    assert not session.desk.complete
    session.desk.load_image(given.image)
    assert session.desk.complete
    session.desk.look_at((5, 6))
    session.desk.load_image(given.image)
    assert not session.desk.complete
    assert session.desk.pixel is None
    with pytest.raises(InputError, match="no prediction yet; drop one, or choose a sample"):
        session.sharpen(RGB)


def test_what_is_dropped_after_a_sample_is_not_of_the_sample(session: Session, given: Given) -> None:
    session.desk.load_sample("pagoda")
    assert session.desk.complete
    assert session.desk.sample == "pagoda"
    session.desk.load_prediction(given.scores, "logits")
    assert session.desk.sample is None
    assert session.desk.image is None
    session.desk.load_image(given.image)
    assert session.desk.inputs.size == (48, 64)
    session.desk.load_sample("street")
    session.desk.load_image(given.image)
    assert not session.desk.complete


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_the_same_every_time_and_gain_from_sharpening(session: Session, name: str, tmp_path: Path) -> None:
    session.desk.load_sample(name)
    files = session.desk.inputs.image_file, session.desk.inputs.prediction_file
    contents = [file.read_bytes() for file in files]
    (tmp_path / "again").mkdir()
    other = Session(Cues(), Limits(), tmp_path / "again")
    other.desk.load_sample(name)
    assert [(tmp_path / "again" / file.name).read_bytes() for file in files] == contents
    result = session.sharpen(RGB)
    assert 0.001 < (result.before != result.after).double().mean() < 0.1


def test_what_cannot_be_read_changes_nothing(loaded: Session, given: Given, tmp_path: Path) -> None:
    before = loaded.sharpen(RGB)
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no image at all")
    tall = tmp_path / "tall.npy"
    np.save(tall, np.zeros((3, 60, 20), dtype=np.float32))
    with pytest.raises(InputError, match="not an image"):
        loaded.desk.load_image(wrong)
    with pytest.raises(InputError, match="not an image"):
        loaded.desk.load_prediction(wrong, "logits")
    with pytest.raises(InputError, match="another aspect"):
        loaded.desk.load_prediction(tall, "logits")
    with pytest.raises(InputError, match="not an image"):
        loaded.desk.load_boundary(wrong)
    with pytest.raises(InputError, match="probabilities, but ranges from"):
        loaded.desk.say("probabilities")
    assert loaded.desk.said.scores == "logits"
    assert loaded.sharpen(RGB) is before


def test_a_prediction_that_does_not_fit_a_later_image_is_named(session: Session, given: Given, tmp_path: Path) -> None:
    Image.new("RGB", (20, 60)).save(tmp_path / "tall.png")
    session.desk.load_prediction(given.scores, "logits")
    session.desk.load_image(tmp_path / "tall.png")
    with pytest.raises(InputError, match=r"scene0\.npz: image is 60x20 but its scores are 6x8"):
        session.sharpen(RGB)


def test_the_cue_of_boundaries_asks_for_them(loaded: Session) -> None:
    with pytest.raises(InputError, match="needs a boundary map"):
        loaded.sharpen(offered_cue("contour").start)


def test_a_pixel_lies_in_the_image(loaded: Session) -> None:
    with pytest.raises(InputError, match="pixel 64,0 lies outside the image"):
        loaded.desk.look_at((64, 0))
    assert loaded.desk.pixel is None


def test_probabilities_are_taken_as_such(loaded: Session, given: Given, tmp_path: Path) -> None:
    probabilities = torch.from_numpy(np.load(given.scores)["arr_0"]).softmax(0)
    np.save(tmp_path / "p.npy", probabilities.numpy())
    as_logits = loaded.sharpen(RGB).scores
    with pytest.raises(InputError, match="pass scores='probabilities'"):
        loaded.desk.load_prediction(tmp_path / "p.npy", "logits")
    loaded.desk.load_prediction(tmp_path / "p.npy", "probabilities")
    assert loaded.desk.said.scores == "probabilities"
    scores = loaded.sharpen(RGB).scores
    assert scores is not None
    assert as_logits is not None
    assert scores.sum(0).allclose(torch.ones(48, 64), atol=1e-5)
    assert not torch.equal(scores, as_logits)


def tensor_bytes() -> int:
    """Return the bytes of all tensors of this process, each storage once."""
    gc.collect()
    storages = [each.untyped_storage() for each in gc.get_objects() if type(each) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def test_many_loads_keep_no_more_than_a_total(tmp_path: Path) -> None:
    cues, visitors, config = Cues(), Visitors(40_000_000), RGB.replaced(window=3, passes=1)
    held: list[int] = []
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        session = Session(cues, Limits(), tmp_path / str(number))
        session.desk.load_sample("pagoda")
        session.sharpen(config)
        session.embedding(config)
        visitors.use(session)
        visitors.make_room()
        held.append(tensor_bytes())
    assert session.kept_bytes > 5_000_000
    assert not session.was_put_away
    assert sum(bool(list((tmp_path / str(number)).iterdir())) for number in range(12)) < 6
    assert max(held[-3:]) <= max(held[6:9]), "visitors that were put away keep nothing"
    assert max(held[6:9]) - held[0] < 60_000_000


def test_the_one_that_is_used_stays_however_large(tmp_path: Path, given: Given) -> None:
    visitors = Visitors(1)
    sessions = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        session = Session(Cues(), Limits(), tmp_path / name)
        session.desk.load_image(given.image)
        visitors.use(session)
        visitors.make_room()
        sessions.append(session)
    assert [session.desk.is_empty for session in sessions] == [True, False]
    assert [session.was_put_away for session in sessions] == [True, False]
    assert given.image.exists(), "the other one still uses it"
    visitors.leave(sessions[1])
    visitors.leave(None)
    assert not given.image.exists()


def test_no_more_visitors_than_so_many(tmp_path: Path) -> None:
    visitors = Visitors(10**12, count=3)
    sessions = [Session(Cues(), Limits(), tmp_path) for _ in range(5)]
    for session in sessions:
        session.desk.load_sample("pagoda")
        visitors.use(session)
    visitors.use(sessions[0])
    visitors.make_room()
    assert [session.desk.is_empty for session in sessions] == [False, True, True, False, False]


def test_what_is_kept_is_counted(loaded: Session) -> None:
    before = loaded.kept_bytes
    assert before == 3 * 48 * 64 + 4 * 3 * 6 * 8
    loaded.sharpen(RGB)
    assert loaded.kept_bytes >= before + 4 * 3 * 48 * 64 + 4 * 3 * 48 * 64 + 2 * 8 * 48 * 64
    loaded.put_away()
    assert loaded.kept_bytes == 0
