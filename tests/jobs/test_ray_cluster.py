"""The same work on a Ray cluster of two workers, of which one is killed midway."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
from torch import Tensor

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.errors import OutputError
from crispseg.jobs import Failed, Outputs, RayCluster, ThisMachine, Written, sharpen_files
from crispseg.jobs.job import Job
from crispseg.jobs.ray_cluster import _Attempts, _Worker
from tests.fakes import after_the_first, write_scored_folder

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray's sockets and files
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),  # Ray's own use of what it takes back
]

COUNT = 24


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray with two processors and 100 MB."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # of the tests' own modules too
    ray.init(
        "local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False,
    )  # fmt: skip
    yield
    ray.shutdown()


class NotedCue(RGBCue):
    """Notes which processes it works in."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def forward(self, image: Tensor) -> Tensor:
        (self.log / str(os.getpid())).touch()
        time.sleep(0.1)
        return image


def test_a_worker_that_is_killed_costs_nothing(cluster: None, tmp_path: Path) -> None:
    write_scored_folder(tmp_path, COUNT)
    for kind, ending in (("images", "png"), ("scores", "npy")):
        (tmp_path / kind / "odd").mkdir()
        for index in range(1, COUNT, 2):
            name = f"scene{index}.{ending}"
            (tmp_path / kind / name).rename(tmp_path / kind / "odd" / name)
    np.save(tmp_path / "scores" / "odd" / "scene7.npy", np.full((3, 6, 8), np.nan, dtype=np.float32))
    log = tmp_path / "log"
    log.mkdir()
    killed: list[int] = []

    def kill() -> None:
        killed.append(int(next(log.iterdir()).name))
        os.kill(killed[0], signal.SIGKILL)

    found = sharpen_files(
        [tmp_path / "images"],
        tmp_path / "scores",
        Outputs(tmp_path / "out", pictures=False),
        Sharpener(NotedCue(log)),
        strict=False,
        runner=RayCluster(),
        on_outcome=after_the_first(kill),
    )
    others = {int(path.name) for path in log.iterdir()} - {*killed}
    assert others, "the other worker, or the one in place of the killed one"
    assert os.getpid() not in {*killed, *others}
    assert sorted(outcome.image.stem for outcome in found) == sorted(f"scene{index}" for index in range(COUNT))
    [failed] = [outcome for outcome in found if isinstance(outcome, Failed)]
    assert f"{tmp_path}/scores/odd/scene7.npy: 144 of 144 scores are NaN" in failed.reason
    assert all(outcome.labels.is_file() for outcome in found if isinstance(outcome, Written))
    written = sorted((tmp_path / "out").rglob("*.png"))
    assert (len(written), len(list((tmp_path / "out" / "odd").iterdir()))) == (COUNT - 1, COUNT // 2 - 1)
    assert (tmp_path / "out" / "crispseg-settings.json").is_file()

    here = Outputs(tmp_path / "here", pictures=False)
    again = sharpen_files(
        [tmp_path / "images"], tmp_path / "scores", here, Sharpener(RGBCue()), strict=False, runner=ThisMachine(0)
    )
    assert sum(isinstance(outcome, Written) for outcome in again) == COUNT - 1
    for path in written:
        assert path.read_bytes() == (tmp_path / "here" / path.relative_to(tmp_path / "out")).read_bytes()


def worker(work: object, monkeypatch: pytest.MonkeyPatch) -> _Worker:
    """A worker in this process, whose references are the things themselves."""
    monkeypatch.setattr(ray, "get", lambda value: value)
    attempts = _Attempts()
    handle = SimpleNamespace(**{name: SimpleNamespace(remote=getattr(attempts, name)) for name in ("begin", "end")})
    monkeypatch.setattr("crispseg.jobs.ray_cluster.replace", lambda given, **_: given)
    return _Worker(work, handle, "cpu")


def batch(name: str) -> dict[str, Any]:
    return {"name": [name], "image": [f"{name}.jpg"], "prediction": [f"{name}.npy"], "boundary": [""]}


def test_an_image_that_kills_every_worker_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = tmp_path / ".poison.1.part.png"
    beside_it = tmp_path / ".beside.2.part.png"
    beside_it.touch()

    class Deadly:
        sharpener = None
        outputs = Outputs(tmp_path)

        def __call__(self, job: Job) -> Written:
            if job.name == "poison":
                assert not begun.exists()
                begun.touch()
                raise SystemExit  # as little as a killed process does it end what it began
            return Written(job.image, Path("a.png"), 0.25, 1.5)

    deadly = worker(Deadly(), monkeypatch)
    for _ in range(3):
        [beside] = deadly(batch("beside"))["reason"]
        assert beside == ""
        with pytest.raises(SystemExit):
            deadly(batch("poison"))
    assert deadly(batch("beside"))["changed"].tolist() == [0.25]
    [reason] = deadly(batch("poison"))["reason"]
    assert reason.startswith("image poison.jpg: 3 workers died")
    assert "damaged" in reason
    assert "memory" in reason
    assert list(tmp_path.iterdir()) == [beside_it]


def test_a_worker_that_cannot_write_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        sharpener = None

        def __call__(self, job: Job) -> Written:
            raise OutputError(f"{job.name}.png: cannot be written (No space left on device)")

    row = worker(Full(), monkeypatch)(batch("a"))
    assert (row["reason"].tolist(), row["stops"].tolist()) == ([
        "a.png: cannot be written (No space left on device)"], [True])  # fmt: skip
