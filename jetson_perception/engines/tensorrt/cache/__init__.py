"""Built engines kept on disk, so that a model is built once on a machine and not at every start.

`EngineCache` is what callers use; it puts together the key of an engine (`key`), its files and
whether they are whole (`store`, `record`), what is kept in memory where it cannot be stored
(`memory`), and the folder's size (`pruning`).
"""

from jetson_perception.engines.tensorrt.cache.engine_cache import CachedPlan, EngineCache
from jetson_perception.engines.tensorrt.cache.key import EngineKey
from jetson_perception.engines.tensorrt.cache.memory import plans_in_memory
from jetson_perception.engines.tensorrt.cache.store import CacheEntry

__all__ = ['CacheEntry', 'CachedPlan', 'EngineCache', 'EngineKey', 'plans_in_memory']
