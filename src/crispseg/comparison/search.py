"""The search that all methods share: one parameter at a time, with the others held fixed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crispseg.comparison.method import Method, Setting

Key = tuple[tuple[str, float], ...]
ROUNDS = 3


@dataclass(frozen=True)
class Found:
    """The result of a search."""

    setting: Setting
    edges: tuple[str, ...]
    """Parameters whose best value is the first or the last of the values tried."""
    tried: Mapping[Key, tuple[float, ...]]
    """Measurements at each setting; the search maximises their mean."""


def key_of(setting: Setting) -> Key:
    """Return a setting as a key for dictionaries."""
    return tuple(setting.items())


def search(method: Method, measure: Callable[[Sequence[Setting]], Sequence[tuple[float, ...]]]) -> Found:
    """Vary one parameter at a time from the start, until a round over all parameters changes nothing.

    There are at most `ROUNDS` rounds.

    Args:
        method: Method with the `values` to try and the `start`.
        measure: Returns the gains of several settings; the search maximises their mean and measures a setting once.

    Returns:
        The best setting; of equal ones, the first that was tried.
    """
    best = dict(method.start)
    tried: dict[Key, tuple[float, ...]] = {}
    if not method.values:
        return Found(best, (), {key_of(best): measure([best])[0]})

    def measured(settings: Sequence[Setting]) -> None:
        new = {key_of(setting): setting for setting in settings if key_of(setting) not in tried}
        if new:
            tried.update(zip(new, measure(list(new.values())), strict=True))

    for _ in range(ROUNDS):
        before = best
        for name, values in method.values.items():
            line = [best, *({**best, name: value} for value in values)]
            measured(line)
            best = max(line, key=lambda setting: sum(tried[key_of(setting)]))
        if best == before:
            break
    edges = (
        name for name, values in method.values.items() if len(values) > 1 and best[name] in (values[0], values[-1])
    )
    return Found(best, tuple(edges), tried)
