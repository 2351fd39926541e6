"""The sessions of all visitors, within a total. The session that was used longest ago is cleared first."""

import shutil
from pathlib import Path

from crispseg.app.session import Session

PUT_AWAY = "Your files were removed to make room for other visitors. Load them again, or choose a sample."


class Visitors:
    """Sessions in the order in which they were used.

    The one that was used last is never cleared, so that one session at most exceeds the total.

    Args:
        most: Bytes that all sessions may keep in memory.
        count: How many sessions may keep something.
    """

    def __init__(self, most: int, count: int = 32) -> None:
        self._most = most
        self._count = count
        self._sessions: list[Session] = []

    def use(self, session: Session) -> None:
        """Mark a session as used now."""
        self._sessions = [one for one in self._sessions if one is not session] + [session]

    def make_room(self) -> None:
        """Clear the oldest sessions until the rest is within the total."""
        kept = [session.kept_bytes for session in self._sessions]
        while len(kept) > 1 and (sum(kept) > self._most or len(kept) > self._count):
            self.leave(self._sessions[0])
            del kept[0]

    def leave(self, session: Session | None) -> None:
        """Forget a session: its tensors and its files."""
        if session is None:
            return
        self._sessions = [one for one in self._sessions if one is not session]
        used = {path for one in self._sessions for path in one.desk.files}
        for path in set(session.desk.files) - used:
            path.unlink(missing_ok=True)
        for path in session.desk.folder.iterdir() if session.desk.folder.is_dir() else ():
            _remove(path)
        session.put_away()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
