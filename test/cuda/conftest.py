"""The GPU's stand-in."""

from standin_fixtures import device, standin, standin_options

__all__ = ['device', 'standin', 'standin_options']
