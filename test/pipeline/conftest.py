"""The GPU's stand-in, as the tests of cuda/ have it."""

from standin_fixtures import device, standin, standin_options

__all__ = ['device', 'standin', 'standin_options']
