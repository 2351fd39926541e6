"""Data sets can be listed, and their options shown, without waiting for PyTorch."""

import subprocess
import sys
from pathlib import Path

import crispseg.data

SOURCE = Path(crispseg.data.__file__).parents[1]

LISTING = """
import sys, types
package = types.ModuleType("crispseg")  # without what `import crispseg` brings
package.__path__ = [sys.argv[1]]
sys.modules["crispseg"] = package
from crispseg.data.datasets import DATASETS
from crispseg.data import DATASETS as same, numbering
assert same is DATASETS and "voc2012" in DATASETS
assert "torch" not in sys.modules
from crispseg.data import VOC2012
assert "torch" in sys.modules and "crispseg.data.coco" not in sys.modules
"""


def test_the_list_of_data_sets_does_not_import_torch() -> None:
    subprocess.run([sys.executable, "-c", LISTING, str(SOURCE)], check=True)


def test_every_public_name_is_found() -> None:
    assert sorted(name for names in crispseg.data._HOMES.values() for name in names) == sorted(crispseg.data.__all__)
    for name in crispseg.data.__all__:
        assert getattr(crispseg.data, name) is not None
    assert dir(crispseg.data) == sorted(crispseg.data.__all__)
    assert not hasattr(crispseg.data, "read_nothing")
