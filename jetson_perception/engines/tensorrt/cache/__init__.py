"""Keeps built engines on disk, so that a model is built once on a machine and not at every start.

Callers use `EngineCache`. It combines the key of an engine (`key`), its files and their checks
(`store`, `record`), engines that cannot be stored and stay in memory (`memory`), and the folder's
size limit (`pruning`).
"""

from jetson_perception.engines.tensorrt.cache.engine_cache import CachedPlan, EngineCache
from jetson_perception.engines.tensorrt.cache.key import EngineKey
from jetson_perception.engines.tensorrt.cache.memory import plans_in_memory
from jetson_perception.engines.tensorrt.cache.store import CacheEntry

__all__ = ['CacheEntry', 'CachedPlan', 'EngineCache', 'EngineKey', 'plans_in_memory']
