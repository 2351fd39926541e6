"""The how-to on many images promises that some kernels work in forked processes after use in the parent."""

import multiprocessing
import sys

import pytest
import torch

from crispseg import Window, ops
from tests.ops.served import SERVERS
from tests.ops.threads import with_threads

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely enough to be tested"),
    pytest.mark.skipif(not any(server.module == "cpu" for server in SERVERS), reason="the C++ kernels were not built"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def _sharpen() -> None:
    features = torch.randn(1, 4, 90, 110)  # on one thread, unlike most of PyTorch
    with torch.inference_mode():
        ops.local_filter(features, ops.affinity_weights(features, Window(9), 5.0), Window(9), passes=3)


def test_weights_and_filter_work_in_a_forked_child_after_use() -> None:
    with with_threads(2):
        _sharpen()
        child = multiprocessing.get_context("fork").Process(target=_sharpen)
        child.start()
        child.join(60)
        code = child.exitcode
        child.kill()
    assert code == 0
