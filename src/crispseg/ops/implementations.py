"""Which implementation serves which operation."""

from crispseg import ops


def implementations() -> dict[str, str]:
    """For every operation, what runs when it is called."""
    return dict.fromkeys(ops.__all__, "reference (plain PyTorch, any device)")
