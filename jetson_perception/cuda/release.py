"""Closing things in the reverse of the order in which they were made, whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Closable(Protocol):
    def close(self) -> None: ...


_C = TypeVar('_C', bound=_Closable)


class Resources:
    """A last-in, first-out list of what has to be closed.

    So a constructor leaves nothing behind when it fails half-way::

        self._resources = Resources()
        with self._resources.closed_on_error():
            self._device = self._resources.add(CudaDevice.get(0))
            self._stream = self._resources.add(self._device.new_stream())
    """

    def __init__(self) -> None:
        self._closers: list[Callable[[], None]] = []

    def add(self, resource: _C) -> _C:
        """Close this one before everything that was added earlier; returns it."""
        self._closers.append(resource.close)
        return resource

    def call(self, closer: Callable[[], None]) -> None:
        """Have a function called at its turn."""
        self._closers.append(closer)

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close everything when the block raises; its error is the one that is told."""
        try:
            yield
        except BaseException as error:
            try:
                self.close()
            except Exception as err:  # noqa: BLE001 - the first error matters more
                if hasattr(error, 'add_note'):  # Python 3.11
                    error.add_note(f'and while closing what was open: {err}')
            raise

    def close(self) -> None:
        """Close everything, the newest first; calling it twice is harmless.

        Raises
        ------
        Exception
            The first error of a closer, after all were called.
        """
        first: Exception | None = None
        while self._closers:
            try:
                self._closers.pop()()
            except Exception as err:  # noqa: BLE001 - the rest has to be closed all the same
                first = first or err
        if first is not None:
            raise first
