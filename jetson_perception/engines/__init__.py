"""Runtimes behind one protocol."""

from jetson_perception.engines.base import Engine, TensorSpec
from jetson_perception.engines.opening import open_engine

__all__ = ['Engine', 'TensorSpec', 'open_engine']
