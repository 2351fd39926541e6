"""The objects that a run in place is done with, which a resumed run does not move again."""

from collections.abc import Iterable
from dataclasses import dataclass

from crispseg.annotations.changes import Notes, digest_of
from crispseg.annotations.checking import checked
from crispseg.annotations.cleaning import Masks, places_of, settled
from crispseg.annotations.filling import union
from crispseg.annotations.record import AnnotatedImage
from crispseg.data.run_lengths import Mask, encode


@dataclass(frozen=True)
class DoneObjects:
    """Knows the objects that are done by their masks, in files that were replaced."""

    notes: Notes | None
    """None for a run that replaces no annotations."""

    def note(self, file: str, images: Iterable[AnnotatedImage]) -> None:
        """Add the objects of images that were compared, as their file gives them now."""
        for image in images:
            size = None if self.notes is None else self.notes.size(file, image.name)
            if self.notes is not None and size is not None:
                self.notes.add_done(file, image.name, [_digest(one.mask) for one in checked(image, *size).masks])

    def are_all_of(self, file: str, image: AnnotatedImage) -> bool:
        """Return whether every object of an image is done, and none is faulty."""
        size = None if self.notes is None else self.notes.size(file, image.name)
        if self.notes is None or size is None or not self.notes.done(file, image.name):
            return False
        masks = checked(image, *size)
        return not masks.faults and not any(self._are_new(file, image, [one.mask for one in masks.masks]))

    def kept(self, file: str, image: AnnotatedImage, before: Masks, after: Masks) -> Masks:
        """Return the new masks of an image without the changes of objects that are done."""
        if self.notes is None or not self.notes.done(file, image.name):
            return after
        places = places_of(before, after)
        new = self._are_new(file, image, before)
        moved = [now is not old and is_new for old, now, is_new in zip(before, after, new, strict=True)]
        return settled(before, after, places, moved, union(after, places))

    def _are_new(self, file: str, image: AnnotatedImage, masks: Masks) -> list[bool]:
        known = () if self.notes is None else self.notes.done(file, image.name)
        return [_digest(mask) not in known for mask in masks]


def _digest(mask: Mask) -> str:
    return digest_of(encode(mask).encode())
