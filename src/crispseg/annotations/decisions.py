"""The decisions of a reviewer: the changes that are not wanted."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from crispseg.annotations.changes import ImageChanges
from crispseg.annotations.texts import field_of, parse_json
from crispseg.errors import InputError

KIND = "crispseg decisions"
"""The value of "kind" in a file of decisions."""

Rejected = dict[tuple[str, str], set[str]]
"""The keys of the objects whose changes are not wanted, by annotation file and image."""


def read_decisions(path: Path, changes: Iterable[ImageChanges]) -> Rejected:
    """Return what a file of decisions rejects.

    Raises:
        InputError: If it is not such a file, or is about changes that there are not.
    """
    known = {one.name: set(one.objects) for one in changes}
    with parse_json(path, "decisions") as said:
        if said.get("kind") != KIND:
            raise InputError(f"is no file of decisions; expected one that the review page has saved, of kind {KIND!r}")
        rejected: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for one in field_of(said, "rejected", list, "the file"):
            file, image, key = (field_of(one, name, str, "a decision") for name in ("file", "image", "object"))
            if key not in known.get((file, image), ()):
                raise InputError(
                    f"rejects {key!r} of image {image!r} in {file!r}, which does not change; review these annotations "
                    "again"
                )
            rejected[file, image].add(key)
    return dict(rejected)
