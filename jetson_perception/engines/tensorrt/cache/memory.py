"""Keeps plans that cannot be stored, for as long as the process lives."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jetson_perception.engines.tensorrt.cache.key import EngineKey

_log = logging.getLogger('jetson_perception')


class PlansInMemory:
    """Serialized engines by folder and key; any thread may use this class."""

    def __init__(self) -> None:
        self._plans: dict[tuple[Path, str], bytes] = {}
        self._building = threading.Lock()

    def get(self, folder: Path, key: EngineKey) -> bytes | None:
        """The plan that would be in the folder; None if there is none."""
        return self._plans.get((folder, key.digest))

    def keep(self, folder: Path, key: EngineKey, plan: bytes, reason: str) -> None:
        """Keep a plan, and log why it is kept only here."""
        self._plans[folder, key.digest] = plan
        _log.warning(
            '%s: its engine is kept only in memory and will be built again at the next start: %s',
            key.name,
            reason,
        )

    def get_or_build(
        self, folder: Path, key: EngineKey, build: Callable[[], bytes], reason: str
    ) -> tuple[bytes, bool]:
        """The plan, and whether this call built it; if several threads ask, only one builds."""
        with self._building:
            kept = self.get(folder, key)
            if kept is not None:
                return kept, False
            plan = bytes(build())
            self.keep(folder, key, plan, reason)
        return plan, True

    def clear(self) -> None:
        """Drop all plans."""
        self._plans.clear()


plans_in_memory = PlansInMemory()
"""The plans that this process keeps."""
