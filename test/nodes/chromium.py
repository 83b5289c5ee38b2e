"""A headless Chromium that tests drive by its DevTools protocol, with aiohttp's client."""

import asyncio
import base64
import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import suppress

import aiohttp

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
DEADLINE_S = 60.0
#: Windows' numbers of the keys that have no character of their own.
KEYS = {
    'Tab': 9,
    'Enter': 13,
    ' ': 32,
    'ArrowLeft': 37,
    'ArrowUp': 38,
    'ArrowRight': 39,
    'ArrowDown': 40,
}
TEXTS = {'Enter': '\r', ' ': ' '}


def found_chromium():
    """Its path; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A browser process; close it.

    Parameters
    ----------
    folder : Path
        For its profile, which is empty.
    """

    def __init__(self, folder):
        command = [
            found_chromium(),
            *('--headless=new', '--remote-debugging-port=0', f'--user-data-dir={folder}'),
            *('--no-first-run', '--disable-gpu', '--disable-dev-shm-usage'),
            *('--disable-background-networking', '--disable-component-update', '--disable-sync'),
            *(['--no-sandbox'] if os.getuid() == 0 else []),
            'about:blank',
        ]
        self._log = (folder / 'log').open('w+')
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env={**os.environ, 'HOME': str(folder)}
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ids = itertools.count(1)
        self._answers = {}
        self._pages = {}
        self._session, self._socket = self.run(self._connected(self._address()))
        self._reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)

    def _address(self):
        deadline_s = time.monotonic() + DEADLINE_S
        while not (found := re.search(r'DevTools listening on (\S+)', self.log())):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline_s, self.log()
            time.sleep(0.02)
        return found[1]

    def log(self):
        """What it printed."""
        self._log.seek(0)
        return self._log.read()

    async def _connected(self, address):
        session = aiohttp.ClientSession()
        return session, await session.ws_connect(address, max_msg_size=0)

    def run(self, coroutine):
        """What a coroutine returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)

    async def _read(self):
        async for message in self._socket:
            told = message.json()
            if 'id' in told:
                self._answers.pop(told['id']).set_result(told)
            elif page := self._pages.get(told.get('sessionId')):
                page.events.append((told['method'], told['params']))

    def send(self, method, session=None, **parameters):
        """What a command returns."""

        async def sent():
            number = next(self._ids)
            answer = self._answers[number] = self._loop.create_future()
            to = {} if session is None else {'sessionId': session}
            await self._socket.send_json(
                {'id': number, 'method': method, 'params': parameters, **to}
            )
            return await answer

        told = self.run(sent())
        assert 'error' not in told, (method, told)
        return told['result']

    def page(self, url, width=1280, height=900, scheme='light'):
        """A page of its own profile, once it is loaded."""
        context = self.send('Target.createBrowserContext')['browserContextId']
        target = self.send('Target.createTarget', url='about:blank', browserContextId=context)
        attached = self.send('Target.attachToTarget', targetId=target['targetId'], flatten=True)
        page = Page(self, attached['sessionId'], context)
        self._pages[attached['sessionId']] = page
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            page.send(f'{domain}.enable')
        page.look(width, height, scheme)
        page.send('Page.navigate', url=url)
        page.wait_for('document.readyState === "complete"')
        return page

    def close(self):
        """End the process."""
        with suppress(Exception):
            self.send('Browser.close')
        try:
            self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.run(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()
        self._log.close()


class Page:
    """One page, as somebody sees and uses it.

    Attributes
    ----------
    events : list of (str, dict)
        What the browser told of it.
    """

    def __init__(self, chromium, session, context):
        self._chromium = chromium
        self._session = session
        self._context = context
        self.events = []

    def send(self, method, **parameters):
        """What a command returns."""
        return self._chromium.send(method, self._session, **parameters)

    def close(self):
        """Close it, and forget its cookies."""
        self._chromium.send('Target.disposeBrowserContext', browserContextId=self._context)

    def look(self, width, height, scheme):
        """Show it on a screen of this size, in light or dark colors."""
        self.send(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        preferred = [{'name': 'prefers-color-scheme', 'value': scheme}]
        self.send('Emulation.setEmulatedMedia', features=preferred)

    def value(self, expression):
        """What JavaScript gives."""
        told = self.send(
            'Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True
        )
        assert 'exceptionDetails' not in told, told['exceptionDetails']
        return told['result'].get('value')

    def wait_for(self, expression):
        """The first value of JavaScript that is true."""
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            with suppress(AssertionError):  # another page is being loaded
                if value := self.value(expression):
                    return value
            assert time.monotonic() < deadline_s, (expression, self.text(), self.problems())
            time.sleep(0.03)

    def text(self):
        """All that it says."""
        return self.value('document.body.innerText')

    def press(self, key, *, shift=False):
        """Press a key of the keyboard."""
        pressed = {
            'key': key,
            'code': {' ': 'Space'}.get(key, key),
            'windowsVirtualKeyCode': KEYS[key],
            'modifiers': 8 if shift else 0,
        }
        text = {'text': TEXTS[key]} if key in TEXTS else {}
        self.send('Input.dispatchKeyEvent', type='keyDown', **pressed, **text)
        self.send('Input.dispatchKeyEvent', type='keyUp', **pressed)

    def tab_to(self, what, most=60):
        """Press Tab until the focus is on what JavaScript's `it` is said to be."""
        for _ in range(most):
            self.press('Tab')
            if self.value(f'(it => Boolean({what}))(document.activeElement)'):
                return
        raise AssertionError(f'the keyboard does not reach {what}')

    def type(self, text):
        """Write into what has the focus."""
        self.send('Input.insertText', text=text)

    def click(self, selector):
        """Click on the middle of an element."""
        x, y = self.value(
            '(it => { it.scrollIntoView({block: "center"}); const r = it.getBoundingClientRect();'
            ' return [r.x + r.width / 2, r.y + r.height / 2]; })'
            f'(document.querySelector({selector!r}))'
        )
        at = {'x': x, 'y': y, 'button': 'left', 'clickCount': 1}
        self.send('Input.dispatchMouseEvent', type='mousePressed', **at)
        self.send('Input.dispatchMouseEvent', type='mouseReleased', **at)

    def problems(self):
        """Errors and warnings that the browser told of it."""
        kinds = {
            'Runtime.exceptionThrown': lambda told: told['exceptionDetails'],
            'Log.entryAdded': lambda told: told['entry']['level'] in {'error', 'warning'},
            'Runtime.consoleAPICalled': lambda told: (
                told['type'] in {'error', 'warning', 'assert'}
            ),
        }
        return [told for kind, told in self.events if kind in kinds and kinds[kind](told)]

    def asked_for(self):
        """Addresses of all that it loaded, WebSockets too."""
        return [
            told['request']['url'] if kind.endswith('BeSent') else told['url']
            for kind, told in self.events
            if kind in {'Network.requestWillBeSent', 'Network.webSocketCreated'}
        ]

    def screenshot(self, path):
        """Save all of it as a PNG."""
        told = self.send('Page.captureScreenshot', captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told['data']))
