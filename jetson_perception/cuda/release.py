"""Closes resources in the reverse of the order in which they were made, whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Closable(Protocol):
    def close(self) -> None: ...


_C = TypeVar('_C', bound=_Closable)


class Resources:
    """A last-in, first-out list of resources to close.

    With it, a constructor leaves nothing behind when it fails halfway::

        self._resources = Resources()
        with self._resources.closed_on_error():
            self._device = self._resources.add(CudaDevice.get(0))
            self._stream = self._resources.add(self._device.new_stream())
    """

    def __init__(self) -> None:
        self._closers: list[Callable[[], None]] = []

    def add(self, resource: _C) -> _C:
        """Add a resource, to be closed before all earlier ones; returns it."""
        self._closers.append(resource.close)
        return resource

    def call(self, closer: Callable[[], None]) -> None:
        """Add a function, to be called before all earlier resources are closed."""
        self._closers.append(closer)

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close everything if the block raises, and raise the block's error."""
        try:
            yield
        except BaseException as error:
            try:
                self.close()
            except Exception as err:  # noqa: BLE001 - the first error matters more
                if hasattr(error, 'add_note'):  # Python 3.11
                    error.add_note(f'and then closing failed: {err}')
            raise

    def close(self) -> None:
        """Close everything, the newest first; may be called twice.

        Raises
        ------
        Exception
            The first error, after everything else has been closed, too.
        """
        first: Exception | None = None
        while self._closers:
            try:
                self._closers.pop()()
            except Exception as err:  # noqa: BLE001 - the rest must still be closed
                first = first or err
        if first is not None:
            raise first
