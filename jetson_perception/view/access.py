"""Who may see the page, and set parameters.

A browser visits other sites too, and they can send requests to this server. So the name that the
browser was given has to be one of this machine (else a site could let its own name lead here, and
read what comes), and what changes something has to come from this page.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from jetson_perception.errors import ParameterError
from jetson_perception.printable import quoted

LEAST_TOKEN_CHARACTERS = 16
MOST_TOKEN_CHARACTERS = 1000


class Access:
    """Judges requests.

    Parameters
    ----------
    token : str
        What a viewer has to know; empty if the server listens on this machine alone.
    names : sequence of str
        Names of this machine that browsers may use beside localhost and addresses.

    Raises
    ------
    ParameterError
        When the token is too short or too long.
    """

    def __init__(self, token: str = '', names: tuple[str, ...] = ()) -> None:
        if token and not LEAST_TOKEN_CHARACTERS <= len(token) <= MOST_TOKEN_CHARACTERS:
            raise ParameterError(
                f'the token has {len(token)} characters; expected {LEAST_TOKEN_CHARACTERS} to '
                f'{MOST_TOKEN_CHARACTERS}'
            )
        self.needs_token = bool(token)
        self._token = token
        self._names = {'localhost', *(name.lower().rstrip('.') for name in names)}
        #: What a browser that gave the token shows from then on. It ends with the process.
        self.session = secrets.token_urlsafe(32)

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this machine: no site can have an address as its name."""
        try:
            name = urlsplit(f'//{host}').hostname or ''
        except ValueError:
            return False
        if name.rstrip('.') in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether an Origin header is that of a page that this host gave."""
        return origin.lower() in {f'http://{host}'.lower(), f'https://{host}'.lower()}

    def is_token(self, given: str) -> bool:
        """Whether a viewer knows the token; takes as long whatever is given."""
        return self.needs_token and _same(given, self._token)

    def may_enter(self, session: str, authorization: str) -> bool:
        """Whether a request shows what it has to: a session, or the token itself."""
        if not self.needs_token or _same(session, self.session):
            return True
        kind, _, given = authorization.partition(' ')
        return kind.lower() == 'bearer' and self.is_token(given.strip())


def require_names(names: tuple[str, ...]) -> None:
    """Refuse what can be no name of a machine.

    Raises
    ------
    ParameterError
        When one is none.
    """
    for name in names:
        if not name or set(name) & set('/:@ \t'):
            raise ParameterError(f'{quoted(name)} is no name of a machine; expected robot.local')


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(
        given.encode(errors='surrogatepass'), known.encode(errors='surrogatepass')
    )
