"""Predictions from every kind of file, and a word on what is wrong with the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from crispseg import InputError
from crispseg.data import Prediction, read_prediction, write_labels, write_scores
from crispseg.scores import Scores

SCORES = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def save(path: Path, array: np.ndarray, **arrays: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, scores=array, **arrays)
    else:
        save_file({"anything": torch.from_numpy(array)}, path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_come_back(tmp_path: Path, suffix: str, dtype: type) -> None:
    prediction = read_prediction(save(tmp_path / f"a{suffix}", SCORES.astype(dtype)))
    np.testing.assert_allclose(prediction.scores.numpy(), SCORES, atol=1e-2 if dtype == np.float16 else 0)
    assert prediction.scores.dtype == torch.float32
    assert (prediction.kind, prediction.classes, prediction.palette) == ("logits", (0, 1, 2), None)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = Prediction(torch.from_numpy(SCORES).softmax(0), "probabilities", (0, 7, 200))
    write_scores(tmp_path / "a.safetensors", written.scores, written)
    read = read_prediction(tmp_path / "a.safetensors", "logits")
    assert torch.equal(read.scores, written.scores)
    assert (read.kind, read.classes) == ("probabilities", (0, 7, 200))


def test_quantised_log_probabilities(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", q=np.array([[[0, 100]], [[100, 99]]], dtype=np.uint8))
    prediction = read_prediction(tmp_path / "a.npz", "logits")
    assert prediction.kind == "logits"
    torch.testing.assert_close(prediction.scores, torch.tensor([[[-10.0, 0.0]], [[0.0, -0.1]]]))


@pytest.mark.parametrize("kind", [None, "probabilities", "multilabel", "multilabel_probabilities"])
def test_quantised_scores_without_a_marker_are_refused(kind: Scores | None, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", q=np.full((2, 3, 4), 128, np.uint8))
    with pytest.raises(InputError, match=r"uint8 array `q`.*--scores logits.*`scale` and `zero_point`"):
        read_prediction(tmp_path / "a.npz", kind)


def test_quantised_scores_that_say_their_scale(tmp_path: Path) -> None:
    q = np.array([[[0, 255, 51]], [[255, 0, 204]]], dtype=np.uint8)
    np.savez(tmp_path / "a.npz", q=q, scale=np.float32(1 / 255), zero_point=0)
    prediction = read_prediction(tmp_path / "a.npz", "probabilities")
    assert prediction.kind == "probabilities"
    torch.testing.assert_close(prediction.scores, torch.tensor([[[0.0, 1.0, 0.2]], [[1.0, 0.0, 0.8]]]))
    np.savez(tmp_path / "b.npz", q=q, scale=-1.0, zero_point=0)
    with pytest.raises(InputError, match=r"scale is -1.*above 0"):
        read_prediction(tmp_path / "b.npz", "logits")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.int64])
def test_masks_and_label_maps_are_arrays_too(dtype: type, suffix: str, tmp_path: Path) -> None:
    labels = np.array([[0, 1, 1], [1, 1, 0]]) * (1 if dtype is np.bool_ else 7)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, labels.astype(dtype))
    else:
        np.savez(path, labels.astype(dtype))
    prediction = read_prediction(path)
    assert not prediction.from_scores
    assert torch.equal(prediction.given, torch.from_numpy(labels))
    np.save(tmp_path / "b.npy", np.array([[-1, 3]]))
    with pytest.raises(InputError, match="labels from -1 to 3; expected 0 to 65535"):
        read_prediction(tmp_path / "b.npy")


def test_a_label_map_becomes_probabilities_of_the_labels_in_it(tmp_path: Path) -> None:
    labels = torch.tensor([[3, 3, 255], [3, 7, 7]])
    write_labels(tmp_path / "a.png", labels, tuple(range(256)) * 3)
    prediction = read_prediction(tmp_path / "a.png")
    assert (prediction.kind, prediction.classes) == ("probabilities", (3, 7, 255))
    assert prediction.scores.shape == (3, 2, 3)
    assert torch.equal(prediction.labels(prediction.scores), labels)


def test_a_single_channel_is_one_class_against_background(tmp_path: Path) -> None:
    logits = read_prediction(save(tmp_path / "a.npy", np.array([[[-1.0, 2.0]]])))
    assert logits.scores.shape == (1, 1, 2)
    assert logits.labels(logits.scores).tolist() == [[0, 1]]
    probabilities = read_prediction(save(tmp_path / "b.npy", np.array([[[0.2, 0.8]]])), "probabilities")
    assert probabilities.labels(probabilities.scores).tolist() == [[0, 1]]


def test_a_batch_of_one_is_taken(tmp_path: Path) -> None:
    assert read_prediction(save(tmp_path / "a.npy", SCORES[None])).scores.shape == (3, 4, 5)


@pytest.mark.parametrize(("poison", "remedy"), [(np.nan, "look for an overflow"), (-np.inf, "limit logits with")])
def test_scores_that_are_not_numbers_are_refused(tmp_path: Path, poison: float, remedy: str) -> None:
    broken = SCORES.copy()
    broken[0, 0, :2] = poison
    with pytest.raises(InputError, match=f"2 of 60 scores are NaN or infinite; .*: {remedy}"):
        read_prediction(save(tmp_path / "a.npy", broken))


def test_other_files_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "range.npy", SCORES)
    save(tmp_path / "shape.npy", SCORES[0, 0])
    save(tmp_path / "many.npz", SCORES, more=SCORES)
    np.save(tmp_path / "whole.npy", np.zeros((2, 2, 2), dtype=np.int64))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "range.npy").read_bytes()[:200])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "many.npz").read_bytes()[:200])
    (tmp_path / "a.safetensors").write_bytes(b"12345678")
    save(tmp_path / "flat.npy", SCORES[0])
    write_labels(tmp_path / "depth.png", torch.arange(2000).reshape(40, 50))
    (tmp_path / "a.txt").write_text("scores")
    (tmp_path / "a.pt").write_text("scores")
    for name, message in (
        ("range.npy", "probabilities, but ranges from"),
        ("shape.npy", r"shape \(5,\); expected \(classes, height, width\).*: save one channel as scores\[None\]"),
        ("many.npz", r"holds arrays \['scores', 'more'\]; expected exactly one"),
        ("whole.npy", r"its numbers are int64 \(2, 2, 2\); expected floating-point scores"),
        ("objects.npy", "holds Python objects"),
        ("cut.npy", "prediction .*cut.npy"),
        ("cut.npz", "damaged, or not a plain array"),
        ("flat.npy", r"shape \(4, 5\); expected \(classes, height, width\), \(1, height, width\) for one class"),
        ("a.safetensors", "not a safetensors file"),
        ("a.txt", "unknown ending; expected one of .npy"),
        ("a.pt", r"unknown ending; .*: such a file can run code, so save scores with numpy\.save"),
        ("none.npy", "no such file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_prediction(tmp_path / name, "probabilities")
        assert name in str(caught.value)
