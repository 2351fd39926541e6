"""Networks by name: those of crispseg, and those that other packages register.

A package of yours names its networks in its `pyproject.toml`. They are then found in weights files by the name of their
class, as those of crispseg are:

    [project.entry-points."crispseg.networks"]
    MyEmbedding = "mypackage.networks:MyEmbedding"

The class is a `crispseg.models.Network`, whose `shape` lists the arguments that a file may give it.
"""

from importlib.metadata import entry_points
from typing import TypeVar

from crispseg.errors import InputError, one_line
from crispseg.models.network import Network

NETWORKS: dict[str, type[Network]] = {}
"""The networks of crispseg by the name of their class."""

ENTRY_POINTS = "crispseg.networks"
"""The entry point group in which other packages name theirs."""

_Kind = TypeVar("_Kind", bound=type[Network])


def register_network(kind: _Kind) -> _Kind:
    """Register a class in `NETWORKS` by its name; a decorator."""
    NETWORKS[kind.__name__] = kind
    return kind


def network_kind(name: str) -> type[Network] | None:
    """Return the class of that name, of crispseg or of an entry point; None where no package registers it.

    Only the package that registers the name is imported.

    Raises:
        InputError: If the entry point cannot be imported or is not a subclass of `Network`.

    Example:
        >>> network_kind("EmbeddingNet").gives, network_kind("Popen")
        ('embedding', None)
    """
    if name in NETWORKS:
        return NETWORKS[name]
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        try:
            kind = entry.load()
        except Exception as error:  # whatever the import of another package raises
            raise InputError(f"network {name}: {entry.value} cannot be imported ({one_line(error)})") from error
        if not (isinstance(kind, type) and issubclass(kind, Network)):
            raise InputError(
                f"network {name}: {entry.value} is not a subclass of crispseg.models.Network; derive it from that class"
            )
        return kind
    return None


def embedding_kinds() -> tuple[type[Network], ...]:
    """Return the networks of crispseg that give embeddings."""
    return tuple(kind for kind in NETWORKS.values() if kind.gives == "embedding")
