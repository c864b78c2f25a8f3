"""Who may open a socket: tokens, origins, connections per address; checked before the upgrade."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from earvoice.errors import ConfigError

_BEARER = "bearer."
_TOKEN = re.compile(r"[\x21-\x7e]{16,256}")


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens of a file, one a line; `#` begins a comment. Errors: `ConfigError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {path} cannot be read: {error}") from error
    tokens = []
    for number, line in enumerate(lines, start=1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                f"--token-file {path}, line {number}: a token has 16 to 256 visible ASCII letters"
            )
        tokens.append(token)
    if not tokens:
        raise ConfigError(f"--token-file {path} has no token")
    return tuple(tokens)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """Decides about a handshake. No token: none is asked for.

    public_url: what links say; its host is one of this server's own names.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        origins: Sequence[str],
        max_per_address: int,
        public_url: str | None = None,
    ) -> None:
        self._tokens = [token.encode() for token in tokens]
        self._origins = frozenset(origins)
        self._own_name = urlsplit(public_url or "").hostname
        self._max_per_address = max_per_address
        self._by_address: Counter[str] = Counter()

    @property
    def asks(self) -> bool:
        """Whether a token is needed."""
        return bool(self._tokens)

    def refusal(self, connection: HTTPConnection) -> tuple[int, str] | None:
        """HTTP status and reason, None if it may come in."""
        if not self.origin_fits(connection):
            return 403, "this origin is not allowed"
        if self._tokens and not self._token_fits(connection):
            return 401, "a bearer token is needed"
        if self._by_address[_address(connection)] >= self._max_per_address:
            return 429, "too many connections from this address"
        return None

    def enter(self, connection: HTTPConnection) -> None:
        """A connection was accepted."""
        self._by_address[_address(connection)] += 1

    def leave(self, connection: HTTPConnection) -> None:
        """It ended."""
        address = _address(connection)
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]

    def _token_fits(self, connection: HTTPConnection) -> bool:
        given = _given_token(connection)
        if given is None:
            return False
        # All are compared, so that the time tells nothing about which one was near.
        fits = [hmac.compare_digest(given, token) for token in self._tokens]
        return any(fits)

    def origin_fits(self, connection: HTTPConnection) -> bool:
        """Whether a socket may be opened from there.

        Programs send no origin; a page's must be this server's own or on the list. Where no token
        is asked for and the page is on this machine, a name that this server does not know as its
        own may be one that another site has pointed here (DNS rebinding).
        """
        origin = connection.headers.get("origin")
        if origin is None or origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.netloc != connection.headers.get("host"):
            return False
        return self.asks or not is_loopback(_address(connection)) or self._is_own(parts.hostname)

    def _is_own(self, host: str | None) -> bool:
        if host is None:
            return False
        if host in {self._own_name, "localhost"}:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host.endswith(".localhost")
        return True


def _given_token(connection: HTTPConnection) -> bytes | None:
    """From the header, or from a subprotocol, which is all that a page can set."""
    header = connection.headers.get("authorization", "")
    if header[:7].lower() == "bearer ":
        return header[7:].strip().encode("utf-8", "replace")
    for item in connection.headers.get("sec-websocket-protocol", "").split(","):
        name = item.strip()
        if name.startswith(_BEARER):
            coded = name.removeprefix(_BEARER)
            try:
                return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
            except (binascii.Error, ValueError):
                return None
    return None


def subprotocol_of(token: str) -> str:
    """The subprotocol that carries a token."""
    return _BEARER + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""
