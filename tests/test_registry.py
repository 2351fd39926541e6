"""A name finds one class: that of crispseg first, then what a package declares; what does not fit is refused."""

from importlib.metadata import EntryPoint

import pytest

from crispseg import InputError
from crispseg.annotations.formats import FORMATS
from crispseg.annotations.record import AnnotationFormat
from crispseg.cues import Cue, RGBCue
from crispseg.data import DATASETS
from crispseg.data.sample import LabelledImages
from crispseg.models import Network
from crispseg.models.network import NETWORKS
from crispseg.registry import CUES, Registry

DECLARED = {
    "rgb": "tests.test_registry:Tinted",  # a name of crispseg
    "own": "tests.test_registry:Own",
    "other": "tests.test_registry:Own",  # another name than its class has
    "path": "pathlib:Path",
    "gone": "nowhere:Cue",
}


class Own(RGBCue):
    """A cue that is not registered where it is defined, as other tests go over the registered ones."""


Own.name = "own"


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [EntryPoint(key, value, group) for key, value in DECLARED.items() if name in (None, key)]

    monkeypatch.setattr("crispseg.registry.entry_points", points)


def cues() -> Registry[type[Cue]]:
    own = {"rgb": "crispseg.cues.rgb:RGBCue", "soft": "crispseg.cues.soft_segmentation:SoftSegmentationCue"}
    return Registry("cue", own, group="crispseg.cues", base="crispseg.cues:Cue", named_by="name")


def test_crispsegs_own_come_first_and_cannot_be_replaced() -> None:
    assert list(cues()) == ["rgb", "soft", "own", "other", "path", "gone"]
    assert cues().named("rgb") is RGBCue
    assert cues().named("own") is Own
    with pytest.raises(InputError, match=r"cue name 'rgb' is taken by crispseg\.cues\.rgb:RGBCue; choose another"):
        cues().define("rgb", Own)


def test_an_entry_point_may_name_the_module_that_defines_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = cues()
    monkeypatch.setitem(DECLARED, "module", "pathlib")
    with pytest.raises(InputError, match=r"cue 'module': pathlib is not a subclass of crispseg\.cues\.Cue"):
        registry.named("module")
    kind = type("Module", (RGBCue,), {})
    monkeypatch.setattr(kind, "name", "module")
    monkeypatch.setattr(EntryPoint, "load", lambda point: registry.define("module", kind))
    assert registry.named("module") is kind


def test_a_class_that_is_defined_again_replaces_the_first() -> None:
    registry, first, second = cues(), *(type("Again", (RGBCue,), {}) for _ in range(2))
    for kind in (first, second):
        registry.define("again", kind)
    assert registry.named("again") is second
    with pytest.raises(InputError, match=r"cue name 'again' is taken by .*Again; choose another"):
        registry.define("again", Own)
    for name in ("none", "two words", ""):
        with pytest.raises(InputError, match=f"cue name is '{name}'; expected letters, digits"):
            registry.define(name, Own)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other", "cue 'other': tests.test_registry:Own has the name 'own'; give the entry point that name"),
        ("path", "cue 'path': pathlib:Path is not a subclass of crispseg.cues.Cue; derive it from that class"),
        ("gone", "cue 'gone': nowhere:Cue cannot be imported (No module named 'nowhere')"),
        (
            "rbg",
            "cue is 'rbg'; expected one of 'rgb', 'soft', 'own', 'other', 'path', 'gone': to use your own, ",
        ),
    ],
)
def test_a_name_without_such_a_class_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        cues().named(name)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("registry", "base"),
    [(CUES, Cue), (NETWORKS, Network), (DATASETS, LabelledImages), (FORMATS, AnnotationFormat)],
    ids=["cues", "networks", "data sets", "formats"],
)
def test_every_registered_class_of_crispseg_is_there(registry: Registry[type], base: type) -> None:
    assert registry.own()
    assert all(issubclass(kind, base) for kind in registry.own())
    assert all(kind.name == name for kind, name in zip(CUES.own(), CUES, strict=False))
    assert all(kind.__name__ == name for kind, name in zip(NETWORKS.own(), NETWORKS, strict=False))


def test_other_packages_add_no_data_sets() -> None:
    assert "own" not in DATASETS
    assert DATASETS.find("own") is None
