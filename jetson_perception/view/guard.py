"""What every request passes before anything is done for it, and what every response says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jetson_perception.view.access import Access
    from jetson_perception.view.guesses import Guesses

_COOKIE = 'view_session'

#: What may be had without a token: the page that asks for it.
_OPEN = {'/login', '/files/login.html', '/files/style.css', '/files/icon.svg'}

#: What a browser says where another page asks: another port of a host is the same site to it.
_OF_OTHERS = {'cross-site', 'same-site'}

#: Nothing is loaded from elsewhere, no page of others shows this one, and no text becomes code.
_HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
    'Cache-Control': 'no-store',
    'Server': 'jetson_perception',
}


async def add_headers(_: web.Request, response: Any) -> None:
    """Give every response the headers that keep browsers safe."""
    response.headers.update(_HEADERS)


def guard(access: Access, guesses: Guesses) -> Any:
    """A middleware that refuses what `access` does.

    Who has not shown a token, or gets an error, has one answer a connection: requests behind it
    would fill memory while the answers are not read.
    """

    async def checked(
        request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> Any:
        try:
            _require_own(access, request)
            has_session = access.may_enter(request.cookies.get(cookie_name(request), ''), '')
            if not has_session and request.path not in _OPEN:
                await _require_token(access, guesses, request)
            response = await handler(request)
        except web.HTTPException as error:
            error.force_close()
            raise
        if not has_session and request.path in _OPEN:
            response.force_close()
        return response

    return web.middleware(checked)


def cookie_name(request: web.Request) -> str:
    """What the session is called for the address that the browser knows.

    To browsers, all ports of a machine have the same cookies: two views, such as those that
    `ssh -L` leads to, would take each other's session away.
    """
    try:
        port = urlsplit(f'//{request.headers.get("Host", "")}').port
    except ValueError:  # no number
        port = None
    return _COOKIE if port is None else f'{_COOKIE}_{port}'


def require_patience(guesses: Guesses, request: web.Request) -> None:
    """Refuse to look at a token of an address that gave a wrong one a moment ago."""
    if not guesses.may_guess(request.remote):
        raise web.HTTPTooManyRequests(
            text='a wrong token came from there a moment ago; wait a second\n',
            headers={'Retry-After': '1'},
        )


async def _require_token(access: Access, guesses: Guesses, request: web.Request) -> None:
    """Refuse a request without a session that does not bring the token itself."""
    authorization = request.headers.get('Authorization', '')
    if authorization:
        require_patience(guesses, request)
        if access.may_enter('', authorization):
            return
        await guesses.was_wrong(request.remote)
    elif request.path == '/':
        raise web.HTTPSeeOther('/login')
    raise web.HTTPUnauthorized(text='a token is needed\n', headers={'WWW-Authenticate': 'Bearer'})


def _require_own(access: Access, request: web.Request) -> None:
    """Refuse what another site has a browser send."""
    host = request.headers.get('Host', '')
    if not access.knows_host(host):
        raise web.HTTPForbidden(
            text='this name of the machine is not known; use its address, or start the view with '
            '--allow-name\n'
        )
    headers = request.headers
    changes = request.method not in {'GET', 'HEAD'}
    if changes or 'upgrade' in headers.get('Connection', '').lower() or 'Upgrade' in headers:
        if not access.is_own_origin(headers.get('Origin', ''), host):
            raise web.HTTPForbidden(text='this request does not come from the page\n')
    elif headers.get('Sec-Fetch-Site') in _OF_OTHERS and request.path not in {'/', '/login'}:
        raise web.HTTPForbidden(text='another site asks for this\n')
