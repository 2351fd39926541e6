"""Who may call: the hosts that a page answers as, and the origins of the pages that may send it something."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from crispseg.errors import InputError

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FOREIGN_SITES = ("cross-site", "same-site")
_SCHEMES = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Callers:
    """Tells requests of the page itself from those that another page makes a visitor's browser send.

    A name that an attacker owns can be made to point at this machine (DNS rebinding); the browser then takes that page
    and this one for the same. The attacker cannot change the `Host` that the browser sends, so this class checks it.

    Args:
        own: Names and addresses of the page, as in a URL.
        port: Its port.
        addresses: Whether it answers as any address too: no name can be rebound to one, but a page on the loopback has
            no other address.
        named: Names that the user allows, at any port: those of a proxy, for example.

    Example:
        >>> callers = Callers.of("127.0.0.1", 7860, ["crisp.example.org"])
        >>> [callers.answers_as(host) for host in ("localhost:7860", "crisp.example.org", "evil.org:7860")]
        [True, True, False]
    """

    own: frozenset[str]
    port: int
    addresses: bool
    named: frozenset[str]

    @classmethod
    def of(cls, host: str, port: int, named: Iterable[str] = ()) -> Self:
        """Return the callers of a page that listens on a host.

        Raises:
            InputError: If the host does not exist, or a name is not one of a host.
        """
        allowed = frozenset(name.lower() for name in named)
        for name in allowed:
            if not name or _split(name, 0) != (name, 0):
                raise InputError(f"allowed host is {name!r}; expected a name alone, without scheme and port")
        try:
            found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise InputError(f"cannot listen on {host} ({error}); choose another --host") from error
        addresses = [ipaddress.ip_address(str(address).partition("%")[0]) for address in found]
        name = f"[{host}]" if ":" in host else host
        loopback = all(address.is_loopback for address in addresses)
        own = _LOOPBACK if loopback or any(address.is_unspecified for address in addresses) else frozenset()
        return cls(own | {name.lower()}, port, not loopback, allowed)

    def answers_as(self, authority: str) -> bool:
        """Return whether `Host` is a name of the page."""
        name, port = _split(authority, 80)
        if name in self.named:
            return True
        return port == self.port and (name in self.own or (self.addresses and _is_address(name)))

    def refusal(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the reason to refuse a request; None to accept it."""
        told: dict[bytes, list[str]] = {}
        for key, value in headers:
            told.setdefault(key.lower(), []).append(value.decode("latin-1").strip().lower())
        hosts, origins = told.get(b"host", []), told.get(b"origin", [])
        forwarded = told.get(b"x-forwarded-host", [])  # the server believes it, and whoever asks may send it
        if len(hosts) != 1 or not all(self.answers_as(host) for host in (*hosts, *forwarded)):
            return "this page does not answer to that name; if the name is yours, allow it with --allow-host"
        if not all(self._trusts(origin, hosts[0]) for origin in origins):
            return "other pages may not send anything to this page"
        foreign = any(site in _FOREIGN_SITES for site in told.get(b"sec-fetch-site", []))
        followed = method in {"GET", "HEAD"} and told.get(b"sec-fetch-mode") == ["navigate"]  # a link to the page
        return "other pages may not use this page" if foreign and not origins and not followed else None

    def _trusts(self, origin: str, host: str) -> bool:
        scheme, _, authority = origin.partition("://")
        if scheme not in _SCHEMES:
            return False  # "null" too, which any page can be
        name, port = _split(authority, _SCHEMES[scheme])
        return (
            (name, port) == _split(host, _SCHEMES[scheme])
            or name in self.named
            or (name in self.own and port == self.port)
        )


def _split(authority: str, default: int) -> tuple[str, int]:
    """Return name and port; an empty name for a text that is not an authority."""
    found = _AUTHORITY.fullmatch(authority)
    return (found[1], int(found[2] or default)) if found else ("", default)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
