"""The version of crispseg, and those of other installed packages."""

from collections.abc import Iterable
from importlib import metadata

__version__ = "0.1.0"


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package by its name, or "not installed".

    Example:
        >>> installed_versions(["no-such-package"])
        {'no-such-package': 'not installed'}
    """
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
