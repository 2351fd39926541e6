"""The search finds a planted optimum, measures nothing twice and says where it ended."""

from collections.abc import Sequence

from torch import Tensor

from crispseg.comparison.method import Example, Method, Setting
from crispseg.comparison.search import key_of, search


class Planted(Method):
    """Best at width 4 and passes 7; which width is best does not hang on the passes."""

    def __init__(self) -> None:
        super().__init__(
            {"width": (1, 2, 4, 8), "passes": (1, 7, 25), "fixed": (3,)}, {"width": 1, "passes": 1, "fixed": 3}
        )
        self.measured: list[Setting] = []

    def run(self, example: Example, setting: Setting) -> Tensor:
        raise NotImplementedError

    def gains(self, settings: Sequence[Setting]) -> list[tuple[float, ...]]:
        self.measured += settings
        return [(-abs(setting["width"] - 4) / 4, 1 - abs(setting["passes"] - 7) / 7) for setting in settings]


def test_a_planted_optimum_is_found_and_nothing_is_measured_twice() -> None:
    method = Planted()
    found = search(method, method.gains)
    assert found.setting == {"width": 4, "passes": 7, "fixed": 3}
    assert found.edges == ()
    keys = [key_of(setting) for setting in method.measured]
    assert len(keys) == len(set(keys)) == len(found.tried)
    assert len(keys) < 12, "not every combination"


def test_what_is_best_of_one_may_hang_on_another() -> None:
    """Wide windows pay only with many passes: the width moves in the second round."""

    def gains(settings: Sequence[Setting]) -> list[tuple[float, ...]]:
        return [(-abs(setting["width"] - setting["passes"] / 7), setting["passes"] / 2) for setting in settings]

    found = search(Planted(), gains)
    assert found.setting == {"width": 4, "passes": 25, "fixed": 3}


def test_a_best_value_at_the_end_of_what_was_tried_is_said() -> None:
    method = Planted()
    found = search(method, lambda settings: [(setting["width"] + setting["passes"], 0.0) for setting in settings])
    assert found.setting == {"width": 8, "passes": 25, "fixed": 3}
    assert found.edges == ("width", "passes")


def test_a_tie_stays_where_it_began_and_a_loss_is_no_gain() -> None:
    found = search(Planted(), lambda settings: [(-1.0, -1.0) for _ in settings])
    assert found.setting == {"width": 1, "passes": 1, "fixed": 3}
