"""Everything that resizes scores knows how they lie on their image: each way gives what the API gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from crispseg import SharpenedModel, Sharpener, SharpenerConfig, Window, sharpen_array
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues
from crispseg.cli.main import main
from crispseg.comparison import measure_table
from crispseg.comparison.rows import TableChoices
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions, read_image, read_labels, read_prediction
from crispseg.errors import InputError
from crispseg.evaluation import evaluate
from crispseg.inference.tiles import sharpen_tiled
from crispseg.inference.upsampling import resize
from crispseg.jobs import Outputs, Written
from crispseg.jobs.job import Job
from crispseg.jobs.job_sharpener import JobSharpener
from crispseg.tuning import tune
from tests.fakes import draw_scene, write_folder

LYING = {"corners": (7, 9), "stride=8": (6, 9), "stretched": (12, 12), "letterbox": (16, 16), "padded": (16, 16)}
"""Rows and columns of scores of 48x64 pixels, by how they lie."""

pytestmark = pytest.mark.slow  # every command and every other way, for every grid

SIZE, WINDOW = (48, 64), Window(5)
FILTER = ["--cue", "rgb", "--window", "5", "--hardness", "20", "--passes", "2"]


def made(grid: str, **options: Any) -> Sharpener:
    return Sharpener(RGBCue(), window=WINDOW, hardness=20.0, passes=2, grid=grid, **options).eval()


def scores_at(grid: str, index: int) -> Tensor:
    return 4 * torch.randn(3, *LYING[grid], generator=torch.Generator().manual_seed(index))


def write_scores(root: Path, grid: str) -> Path:
    (root / "scores").mkdir(exist_ok=True)
    for index in range(3):
        np.save(root / "scores" / f"scene{index}.npy", scores_at(grid, index).numpy())
    return root / "scores"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


@torch.inference_mode()
def expected(root: Path, grid: str, index: int = 0) -> Tensor:
    image = read_image(root / "images" / f"scene{index}.png")
    return made(grid)(image[None], scores_at(grid, index)[None])[0]  # type: ignore[no-any-return]


def image_and_scores(root: Path, grid: str) -> tuple[Tensor, Tensor]:
    return read_image(root / "images" / "scene0.png"), scores_at(grid, 0)


class Gives(nn.Module):
    """A network that gives what it was made with."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, image: Tensor) -> Tensor:
        return self.scores


def by_a_call(root: Path, grid: str) -> Tensor:
    image, scores = image_and_scores(root, grid)
    crisp: Tensor = made("centres")(image[None], scores[None], grid=grid)
    return crisp[0].argmax(0)


def by_an_array(root: Path, grid: str) -> Tensor:
    image, scores = image_and_scores(root, grid)
    return torch.from_numpy(sharpen_array(image.permute(1, 2, 0).numpy(), scores.numpy(), sharpener=made(grid))).argmax(
        0
    )


def by_a_model(root: Path, grid: str) -> Tensor:
    image, scores = image_and_scores(root, grid)
    crisp: Tensor = SharpenedModel(Gives(scores[None]), made(grid))(image[None])
    return crisp[0].argmax(0)


def by_tiles(root: Path, grid: str) -> Tensor:
    image, scores = image_and_scores(root, grid)
    return sharpen_tiled(image[None], scores[None], made(grid), memory="16GiB")[0].argmax(0)


def by_a_folder(root: Path, grid: str) -> Tensor:
    made(grid).save_pretrained(root / "saved")
    assert f"| grid | {grid} |" in (root / "saved" / "README.md").read_text()
    image, scores = image_and_scores(root, grid)
    crisp: Tensor = Sharpener.from_pretrained(root / "saved")(image[None], scores[None])
    return crisp[0].argmax(0)


def command(root: Path, *options: str) -> Tensor:
    scores, out = root / "scores", root / "out"
    assert main(["sharpen", str(root / "images"), "--predictions", str(scores), "--output", str(out), *options]) == 0
    return read_labels(out / "scene0.png").labels


def by_a_command(root: Path, grid: str) -> Tensor:
    write_scores(root, grid)
    labels = command(root, "--grid", grid, *FILTER)
    assert json.loads((root / "out" / "crispseg-settings.json").read_text())["grid"] == grid
    return labels


def by_a_command_in_tiles(root: Path, grid: str) -> Tensor:
    write_scores(root, grid)
    return command(root, "--grid", grid, "--memory", "16GiB", *FILTER)


def by_a_command_with_a_folder(root: Path, grid: str) -> Tensor:
    write_scores(root, grid)
    made(grid).save_pretrained(root / "saved")
    return command(root, "--weights", str(root / "saved"), "--workers", "1" if grid == "stretched" else "0")


def by_a_worker_of_a_cluster(root: Path, grid: str) -> Tensor:
    write_scores(root, grid)
    read = read_prediction(root / "scores" / "scene0.npy", grid=grid).grid
    outputs = Outputs(root, pictures=False)
    done = JobSharpener(made("centres"), None, "logits", outputs, grid=read)(
        Job("scene0", root / "images" / "scene0.png", root / "scores" / "scene0.npy", None)
    )
    assert isinstance(done, Written)
    return read_labels(done.labels).labels


def by_the_page(root: Path, grid: str) -> Tensor:
    write_scores(root, grid)
    session = Session(Cues(), Limits(), root)
    session.desk.load_image(root / "images" / "scene0.png")
    session.desk.say(grid=grid)
    session.desk.load_prediction(root / "scores" / "scene0.npy", "logits")
    config = SharpenerConfig(cue="rgb", window=WINDOW, hardness=20, passes=2)
    recipe = Recipe(session.desk.inputs, config)
    assert f"--grid {grid}" in recipe.command_line()
    assert f'grid="{grid}"' in recipe.python_lines()
    return session.sharpen(config).after


def by_a_raster(root: Path, grid: str) -> Tensor:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    image, scores = image_and_scores(root, grid)
    for name, bands in (("image", image.numpy()), ("prediction", scores.numpy())):
        count, height, width = bands.shape
        shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
        with rasterio.open(root / f"{name}.tif", "w", driver="GTiff", **shape) as file:
            file.write(bands)
    paths = [str(root / name) for name in ("image.tif", "prediction.tif", "labels.tif")]
    options = ["--grid", grid, "--memory", "16GiB", *FILTER]  # what other tests loaded counts too
    assert main(["raster", paths[0], "--predictions", paths[1], "--output", paths[2], *options]) == 0
    with rasterio.open(paths[2]) as file:
        return torch.from_numpy(file.read(1)).long()


WAYS = (by_a_call, by_an_array, by_a_model, by_tiles, by_a_folder, by_a_command, by_a_command_in_tiles,
        by_a_command_with_a_folder, by_a_worker_of_a_cluster, by_the_page, by_a_raster)  # fmt: skip


@pytest.mark.parametrize("grid", LYING)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@torch.inference_mode()
def test_every_way_gives_what_the_call_gives(way: Callable[[Path, str], Tensor], grid: str, root: Path) -> None:
    likely = expected(root, grid).topk(2, 0).values
    same = way(root, grid) == expected(root, grid).argmax(0)
    assert same[likely[0] - likely[1] > 1e-3].all()  # tiles round otherwise


@pytest.mark.usefixtures("no_memory_process")
@pytest.mark.parametrize("grid", ["stretched", "corners", "stride=8"])
def test_what_measures_takes_scores_as_upsampled_so(grid: str, root: Path) -> None:
    placed, upsampled = write_scores(root, grid), root / "upsampled"
    upsampled.mkdir()
    for index in range(3):
        values = resize(scores_at(grid, index)[None], SIZE, made(grid).grid)[0]
        np.save(upsampled / f"scene{index}.npy", values.numpy())
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    data = [
        LabelledPredictions(folder, placed, grid=grid, scores="logits"),
        LabelledPredictions(folder, upsampled, scores="logits"),
    ]
    sharpener = made("centres", upsampling="bilinear", score_weight=0.7)  # auto looks at the distance of scores
    one, other = (evaluate(each, sharpener) for each in data)
    for name in ("miou", "trimap_4"):
        assert one.before.value(name) == pytest.approx(other.before.value(name), abs=0.05)
        assert one.after.value(name) == pytest.approx(other.after.value(name), abs=0.05)
    tuned, alike = (tune(each, sharpener, {"window": [WINDOW], "hardness": [20.0], "passes": [2]}) for each in data)
    assert tuned.before.value("miou") == pytest.approx(alike.before.value("miou"), abs=0.05)
    assert tuned.gain(next(iter(tuned.after))) == pytest.approx(alike.gain(next(iter(alike.after))), abs=0.05)
    if grid != "stretched":  # a table evaluates and tunes
        return
    tables = [
        measure_table(each, root / name, TableChoices(torch.device("cpu")), rows=["PAMR", "rgb 9x9 x1"], tune_every=2)
        for name, each in (("one", data[0]), ("other", data[1]))
    ]
    assert tables[0].context["grid"] == grid
    rows = [{row.name: row.accuracy.value("miou") for row in table.results} for table in tables]
    for name in ("baseline", "PAMR"):
        assert rows[0][name] == pytest.approx(rows[1][name], abs=0.05)


@pytest.mark.usefixtures("no_memory_process")
@pytest.mark.parametrize("command", ["evaluate", "tune", "table"])
def test_commands_that_measure_ask_how_scores_lie(command: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scores(root, "stretched")
    given = ["--images", str(root / "images"), "--labels", str(root / "labels"), "--predictions", str(root / "scores")]
    more = {
        "evaluate": ["--json", str(root / "result.json"), *FILTER],
        "tune": ["--cue", "rgb", "--window", "3", "--hardness", "20", "--passes", "1"],
        "table": ["--output", str(root / "table"), "--rows", "PAMR", "--tune-every", "2"],
    }[command]
    run = [command, *given, "--void", "11", *more]
    assert main(run) == 2
    said = capsys.readouterr().err
    assert "its scores are 12x12, another aspect" in said
    assert "--grid" in said
    assert main([*run, "--grid", "stretched"]) == 0
    if command == "evaluate":
        assert json.loads((root / "result.json").read_text())["settings"]["grid"] == "stretched"


def test_a_figure_and_a_resumed_run_know_the_grid(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scores(root, "letterbox")
    given = [str(root / "images" / "scene0.png"), "--predictions", str(root / "scores" / "scene0.npy")]
    figure = ["figure", "boundary", *given, "--output", str(root / "figure.png"), *FILTER]
    assert main(figure) == 2
    assert main([*figure, "--grid", "letterbox"]) == 0
    run = ["sharpen", *given, "--output", str(root / "out"), *FILTER, "--grid"]
    assert main([*run, "letterbox"]) == 0
    assert main([*run, "padded", "--resume"]) == 2
    assert "grid letterbox there, padded now" in capsys.readouterr().err


def test_saved_scores_say_that_they_are_of_the_size_of_the_image(root: Path) -> None:
    write_scores(root, "padded")
    command(root, "--grid", "padded", "--save-scores", *FILTER)
    saved = read_prediction(root / "out" / "scores" / "scene0.safetensors", grid="box=0,0,8,8")
    assert str(saved.grid) == "centres"


def test_a_label_map_may_be_letterboxed(root: Path) -> None:
    labels = torch.from_numpy(draw_scene(np.random.default_rng(0))[1]).long()
    padded = torch.nn.functional.pad(labels, (0, 0, 8, 8))
    Image.fromarray(padded.byte().numpy()).save(root / "padded.png")
    image = root / "images" / "scene0.png"
    run = ["sharpen", str(image), "--predictions", str(root / "padded.png"), "--output", str(root / "out"), *FILTER]
    assert main(run) == 2
    assert main([*run, "--grid", "letterbox"]) == 0
    direct = sharpen_array(read_image(image).permute(1, 2, 0).numpy(), labels.byte().numpy(), sharpener=made("centres"))
    assert np.array_equal(read_labels(root / "out" / "scene0.png").labels.numpy(), direct)


def test_a_network_with_corners_says_so_itself() -> None:
    model = Gives(torch.randn(1, 2, 4, 5))
    model.align_corners = True  # type: ignore[assignment]
    image = torch.rand(1, 3, 25, 33)
    with torch.inference_mode():
        found = SharpenedModel(model, made("centres"))(image)
        assert torch.equal(found, made("corners")(image, model.scores))
        model.scores = torch.randn(1, 2, 2, 8)
        with pytest.raises(InputError, match="from corner to corner"):
            SharpenedModel(model, made("centres"))(image)
