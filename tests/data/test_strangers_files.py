"""Files of strangers: whatever is in them, they are read or refused in a line that names them."""

import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.io import savemat

from crispseg import InputError, Sharpener, Window
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.data import read_boundaries, read_boundary, read_image, read_labels, read_prediction
from crispseg.data.raster import image_pixels, opened_raster, prediction_pixels
from crispseg.figures import read_table
from crispseg.jobs.resuming import read_settings
from crispseg.models import EmbeddingNet
from crispseg.models.caffemodel import read_caffemodel
from crispseg.models.crisp_net import load_crisp_net
from crispseg.models.saving import load_network, save_network
from crispseg.pretrained.folder import load_folder
from tests.fakes import outline, write_raster, write_scored_folder

MUTATIONS = 150
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (12, 16)).astype(np.uint8)
SCORES = RNG.normal(size=(3, 6, 8)).astype(np.float32)


def _picture(path: Path) -> None:
    Image.fromarray(RNG.integers(0, 255, (12, 16, 3)).astype(np.uint8)).save(path)


def _labels(path: Path) -> None:
    Image.fromarray(LABELS).save(path)


def _safetensors(path: Path) -> None:
    save_file({"scores": torch.from_numpy(SCORES)}, path, {"kind": "logits", "classes": "0 1 2"})


def _matlab(path: Path) -> None:
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = {"Segmentation": LABELS, "Boundaries": outline(LABELS)}
    savemat(path, {"groundTruth": cells})


def _caffe(path: Path) -> None:
    data = struct.pack("<2f", 1, 2)
    blob = b"\x3a\x03\x0a\x01\x02" + b"\x2a" + bytes([len(data)]) + data  # shape {dim: 2}, data
    layer = b"\x0a\x05conv1" + b"\x3a" + bytes([len(blob)]) + blob
    path.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)


def _config(path: Path) -> None:
    Sharpener(RGBCue()).save_pretrained(path.parent / "saved")
    (path.parent / "saved" / "config.json").rename(path)


def _network(path: Path) -> None:
    save_network(EmbeddingNet(dim=2, width=1), path)


def _read_config(path: Path) -> None:
    if path.name != "config.json":
        path = path.replace(path.with_name("config.json"))
    try:
        load_folder(path.parent)
    except InputError as error:
        raise InputError(f"{path.parent}/mutated.json: {error}") from error


def _read_raster(path: Path) -> None:
    with opened_raster(path, "image", 2**30) as dataset:
        image_pixels(dataset)
        prediction_pixels(dataset, dataset, "probabilities", 255.0)


def _crisp(path: Path) -> None:
    arguments = {"segmenter": {"network": "", "arguments": "{}"}, "window": [9, 1], "learned": False}
    save_file({"a": torch.zeros(1)}, path, {"network": "CrispNet", "arguments": json.dumps(arguments)})


KINDS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "PNG image": (".png", _picture, read_image),
    "JPEG image": (".jpg", _picture, read_image),
    "TIFF image": (".tif", _picture, read_image),
    "WebP image": (".webp", _picture, read_image),
    "BMP image": (".bmp", _picture, read_image),
    "label map": (".png", _labels, read_labels),
    "GIF label map": (".gif", _labels, read_prediction),
    "boundary map": (".png", _labels, read_boundary),
    "boundary array": (".npy", lambda path: np.save(path, LABELS), read_boundary),
    "array": (".npy", lambda path: np.save(path, SCORES), read_prediction),
    "archive": (".npz", lambda path: np.savez(path, SCORES), read_prediction),
    "packed archive": (".npz", lambda path: np.savez_compressed(path, SCORES), read_prediction),
    "safetensors": (".safetensors", _safetensors, read_prediction),
    "network": (".safetensors", _network, lambda path: load_network(path, EmbeddingNet)),
    "crisp network": (".safetensors", _crisp, load_crisp_net),
    "MATLAB": (".mat", _matlab, read_boundaries),
    "caffemodel": (".caffemodel", _caffe, read_caffemodel),
    "configuration": (".json", _config, _read_config),
    "settings": (".json", lambda path: path.write_text('{"window": 9, "hardness": 5.0}'), read_settings),
    "table": (".json", lambda path: path.write_text('{"rows": [{"name": "a", "group": "b"}]}'), read_table),
    "raster": (".tif", lambda path: write_raster(path, SCORES.astype(np.uint8), 1), _read_raster),
}
"""Of every kind of file that is read its ending, how a small one is written, and how it is read."""


def refusal(read: Callable[[Path], object], path: Path) -> str | None:
    """Return the message of a file that is refused, or None."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return None


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The same with some of it changed, cut off, doubled, or taken from somewhere else."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8, 30))
        match rng.randrange(6):
            case 0:
                data[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case 4:
                data[place : place + length] = rng.choice((b"\xff", b"\x00", b"9", b"[", b'"', b"-")) * length
            case 5:
                data[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # libraries warn as they like of what is wrong with a file
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    ending, write, read = KINDS[kind]
    path = tmp_path / f"mutated{ending}"
    write(path)
    mutations = 30 if kind == "network" else MUTATIONS  # each makes a network
    content, rng, refused = path.read_bytes(), random.Random(kind), 0
    if kind not in ("table", "crisp network"):  # of which a small one is none
        read(path)
    for _ in range(mutations):
        path.write_bytes(mutated(content, rng))
        said = refusal(read, path)
        refused += said is not None
        assert said is None or ("mutated" in said and "pickle" not in said), said
    assert refused > mutations / 20, "or nothing was tried"


def safetensors_file(path: Path, dtype: str = "F32", metadata: dict[str, str] | None = None, count: int = 4) -> Path:
    """A file whose header says what it likes."""
    header: dict[str, Any] = {"a": {"dtype": dtype, "shape": [1, 2, 2], "data_offsets": [0, count * 4]}}
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(count * 4))
    return path


DTYPES = ("F4", "F6_E2M3", "F8_E8M0", "F8_E4M3", "C64", "I128", "BOOL", "U16", "Q")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_that_nobody_reads_is_refused(tmp_path: Path, dtype: str) -> None:
    bits = {"F4": 4, "F6_E2M3": 6, "F8_E8M0": 8, "F8_E4M3": 8, "BOOL": 8, "U16": 16, "C64": 64}.get(dtype, 8)
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": {"dtype": dtype, "shape": [1, 2, 2], "data_offsets": [0, bits // 2]}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(bits // 2))
    for read in (read_prediction, lambda path: load_network(path, EmbeddingNet)):
        assert str(path) in (refusal(read, path) or str(path))


@pytest.mark.parametrize(
    "num_classes", ["5 5", "9223372036854775808 1", "70000 1", "-1 1", "1 2 3", "9" * 5000, "a b", "1e9 2"]
)
def test_classes_that_cannot_be_are_refused(tmp_path: Path, num_classes: str) -> None:
    path = safetensors_file(tmp_path / "a.safetensors", metadata={"kind": "logits", "classes": num_classes})
    with pytest.raises(InputError, match=r"names the classes .*; expected 2 different numbers from 0 to 65535"):
        read_prediction(path)


def test_bad_safetensors_are_passed_over_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scored_folder(tmp_path, 4)
    for index, (dtype, num_classes) in enumerate((("F4", None), ("F32", "9223372036854775808 1"))):
        (tmp_path / "scores" / f"scene{index}.npy").unlink()
        path = tmp_path / "scores" / f"scene{index}.safetensors"
        safetensors_file(
            path,
            dtype,
            None if num_classes is None else {"kind": "logits", "classes": num_classes},
            1 if num_classes is None else 4,
        )
    command = ["sharpen", tmp_path / "images", "--predictions", tmp_path / "scores", "--output", tmp_path / "out"]
    assert main([*map(str, command), "--cue", "rgb", "--no-pictures"]) == 1
    said, error = capsys.readouterr()
    assert said.splitlines()[-1].startswith("2 sharpened, 0 skipped, 2 failed")
    assert [f"scores/scene{index}.safetensors" in line for index, line in enumerate(error.splitlines())] == [True, True]


ABSURD = {
    "window": [10**9 + 1, f"9@{10**9}", True, {"size": 9}, [], 9.0, "9,", "9@", "@2", "9@2@2", "-9"],
    "passes": [10**18, True, 0, "seven", 7.0],
    "hardness": [True, "hard", 1e300, float("nan"), [5]],
    "guard": [True, 2, "sure", [0.9]],
    "scores": [True, ["logits"], {}],
    "grid": [True, 3, ["corners"], "stride=inf"],
    "cue": [{"name": "rgb", "arguments": {"norm": True}}, {"name": "rgb", "arguments": {"norm": [1]}}, 3],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ABSURD.items() for value in values])
def test_absurd_values_of_a_saved_sharpener_are_refused(tmp_path: Path, name: str, value: object) -> None:
    Sharpener(RGBCue()).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(InputError, match=r"config .*config\.json: "):
        load_folder(tmp_path)


def test_the_same_values_are_refused_in_python() -> None:
    for made in (
        lambda: Window(10**9 + 1),
        lambda: Window(9, 2**20 + 1),
        lambda: Sharpener(RGBCue(), passes=10**18),
        lambda: Sharpener(RGBCue(), hardness=True),
        lambda: RGBCue(norm=True),
        lambda: Sharpener(RGBCue(), guard=True),
    ):
        with pytest.raises(InputError):
            made()
    assert Window(2**20 - 1).size == 2**20 - 1


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 9, "1" * 5000, '{"a": ' * 100_000, "\ud800"])
def test_json_that_no_parser_likes_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, errors="surrogatepass")
    with pytest.raises(InputError, match=r"config\.json: "):
        load_folder(tmp_path)
    with pytest.raises(InputError, match=r"config\.json: "):
        read_settings(tmp_path / "config.json")


@pytest.mark.parametrize("network", ["", " ", "é", "A"])
def test_a_network_of_any_name_is_refused(tmp_path: Path, network: str) -> None:
    path = safetensors_file(tmp_path / "a.safetensors", metadata={"network": network})
    with pytest.raises(InputError, match=r"a\.safetensors: (holds an? |does not hold a network )"):
        load_network(path, EmbeddingNet)
    for arguments in ("[" * 200_000, "[]", '{"dim": 1000000000000000000}', '{"dim": true}', '{"width": 0}', "5"):
        safetensors_file(path, metadata={"network": "EmbeddingNet", "arguments": arguments})
        with pytest.raises(InputError, match=r"a\.safetensors"):
            load_network(path, EmbeddingNet)


def test_objects_are_refused_without_advice_to_load_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    (tmp_path / "b.npy").write_bytes(b"no array")
    np.savez(tmp_path / "c.npz", np.array([{}], dtype=object))
    for name in ("a.npy", "b.npy", "c.npz"):
        with pytest.raises(InputError, match=r"numpy\.save") as caught:
            read_prediction(tmp_path / name)
        assert "pickle" not in str(caught.value)


def test_scores_beyond_float32_are_called_so(tmp_path: Path) -> None:
    scores = np.zeros((3, 6, 8))
    scores[0, 0, 0] = 1e300
    np.save(tmp_path / "a.npy", scores)
    save_file({"a": torch.from_numpy(scores)}, tmp_path / "a.safetensors")
    for ending in ("npy", "safetensors"):
        with pytest.raises(InputError, match=r"1 of 144 scores exceed the range of float32, up to 1e\+300"):
            read_prediction(tmp_path / f"a.{ending}")


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(InputError, match="not a plain array"):
        read_prediction(tmp_path / "a.npz")
