"""Every line of the table of sources fits its class."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from jetson_perception.camera import open_source
from jetson_perception.camera.schemes import SCHEMES
from jetson_perception.camera.uri import parse


@pytest.mark.parametrize('name', SCHEMES)
def test_the_class_takes_these_settings_and_no_others(name):
    scheme = SCHEMES[name]
    module = import_module(f'jetson_perception.camera.{scheme.module}')
    signature = inspect.signature(getattr(module, scheme.class_name))
    target, *settings = signature.parameters.values()
    assert target.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    offered = inspect.signature(open_source).parameters.keys() | {'every_frame'}
    assert set(scheme.settings) == {each.name for each in settings} & offered


@pytest.mark.parametrize('name', SCHEMES)
def test_the_example_is_of_the_scheme(name):
    assert SCHEMES[name].example.startswith(f'{name}://')
    assert parse(SCHEMES[name].example).scheme == name
