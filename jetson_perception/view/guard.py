"""What every request passes before anything is done for it, and what every response says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jetson_perception.view.access import Access

COOKIE = 'view_session'

#: What may be had without a token: the page that asks for it.
_OPEN = {'/login', '/files/login.html', '/files/style.css', '/files/icon.svg'}

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


def guard(access: Access) -> Any:
    """A middleware that refuses what `access` does."""

    async def checked(
        request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]
    ) -> Any:
        _require_own(access, request)
        session = request.cookies.get(COOKIE, '')
        authorization = request.headers.get('Authorization', '')
        if request.path not in _OPEN and not access.may_enter(session, authorization):
            if request.path == '/':
                raise web.HTTPSeeOther('/login')
            raise web.HTTPUnauthorized(
                text='a token is needed\n', headers={'WWW-Authenticate': 'Bearer'}
            )
        return await handler(request)

    return web.middleware(checked)


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
    elif headers.get('Sec-Fetch-Site') == 'cross-site' and request.path not in {'/', '/login'}:
        raise web.HTTPForbidden(text='another site asks for this\n')
