"""Sharpeners on a model hub, through `huggingface_hub` (extra `hub`), which is imported only when used."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.pretrained.folder import CONFIG_FILE, WEIGHTS_FILE

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def names_repository(name: str) -> bool:
    """Return whether a name may be a repository `owner/name` on a hub, and is neither a local file nor a folder.

    Example:
        >>> names_repository("someone/street-embedding"), names_repository("weights/net.safetensors")
        (True, False)
    """
    return bool(_REPOSITORY.fullmatch(name)) and not name.endswith(".safetensors") and not Path(name).exists()


def download(repo_id: str, revision: str | None) -> Path:
    """Download the config and weights of a repository, unless cached, and return their folder in the local cache.

    Raises:
        InputError: If the package is missing, the hub cannot be reached and nothing is cached, or the repository,
            revision or file does not exist.
    """
    hub = _hub()
    absent = "it is neither a local folder nor in the local cache: connect to the internet once, or give a local path"
    with _explained(repo_id, absent):
        folder = hub.snapshot_download(repo_id, revision=revision, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE])
    return Path(folder)


def upload(repo_id: str, save: Callable[[Path], None], *, private: bool, message: str) -> str:
    """Upload the files that `save` writes into an empty folder, creating the repository if needed.

    Returns:
        The URL of the commit.

    Raises:
        InputError: If the package is missing, the hub cannot be reached, or you lack permission to write.
    """
    hub = _hub()
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        with _explained(repo_id, "nothing was uploaded"):
            api = hub.HfApi()
            api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
    return str(commit.commit_url)


def _hub() -> ModuleType:
    with optional_packages():
        import huggingface_hub  # noqa: PLC0415 - optional
    return huggingface_hub


@contextmanager
def _explained(repo_id: str, outcome: str) -> Iterator[None]:
    """Turn the errors of the package into input errors of one line."""
    with optional_packages():
        from huggingface_hub import errors  # noqa: PLC0415 - optional

    # The errors of the HTTP library that the package is built on, and of the system.
    failures: tuple[type[Exception], ...] = errors.HfHubHTTPError.__bases__
    try:
        yield
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        _refuse(repo_id, "cannot reach the hub", outcome, error)
    except errors.RepositoryNotFoundError as error:
        _refuse(repo_id, "the hub has no such repository, or requires a login (`hf auth login`)", outcome, error)
    except errors.RevisionNotFoundError as error:
        _refuse(repo_id, "the repository has no such revision", outcome, error)
    except errors.HFValidationError as error:
        _refuse(repo_id, f"is not a valid owner/name ({_first_line(error)})", outcome, error)
    except errors.LocalTokenNotFoundError as error:
        _refuse(repo_id, "the hub requires a login (`hf auth login`)", outcome, error)
    except failures as error:
        _refuse(repo_id, f"the hub or the connection to it failed ({_first_line(error)})", outcome, error)


def _refuse(repo_id: str, reason: str, outcome: str, error: Exception) -> NoReturn:
    raise InputError(f"weights {repo_id}: {reason}; {outcome}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
