"""Runtimes behind one protocol."""

from jetson_perception.engines.base import Engine, TensorSpec
from jetson_perception.engines.metadata import ModelInfo
from jetson_perception.engines.opening import ENGINES, open_engine

__all__ = ['ENGINES', 'Engine', 'ModelInfo', 'TensorSpec', 'open_engine']
