"""The whole examination, in the order in which it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.doctor.board import examine_board
from jetson_perception.doctor.cameras import examine_cameras
from jetson_perception.doctor.finding import MISSING, WARNING, Finding
from jetson_perception.doctor.optional_packages import examine_optional_packages
from jetson_perception.doctor.runtimes import examine_runtimes
from jetson_perception.doctor.software import examine_ros, examine_software
from jetson_perception.resources import how_to_get_demos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jetson_perception.doctor.machine import Machine

_MODELS_TIMEOUT_S = 120.0


def examine(machine: Machine) -> Iterator[Finding]:
    """Every finding as it is made; last the models, run on a picture, and the scenes."""
    yield from examine_board(machine)
    yield from examine_runtimes(machine)
    yield from examine_software(machine)
    yield from examine_optional_packages(machine)
    yield from examine_ros(machine)
    yield from examine_cameras(machine)
    yield from _examine_models(machine)


def can_do_main_job(findings: Iterable[Finding]) -> bool:
    """Whether images can be run through a model here."""
    return not any(finding.needed and finding.verdict == MISSING for finding in findings)


def _examine_models(machine: Machine) -> Iterator[Finding]:
    found = machine.probe('models', timeout_s=_MODELS_TIMEOUT_S)
    models = found.get('models', {})
    if not models:
        reason = found.get('error') or f'none in {found.get("folder")}'
        advice = 'install the package anew' if not found.get('error') else 'see the lines above'
        yield Finding('models', 'models', reason, MISSING, advice, needed=True)
        return
    works = any('error' not in model for model in models.values())
    for name, model in models.items():
        if 'error' in model:
            advice = 'install the package anew' if works else 'see the lines above'
            yield Finding('models', name, model['error'], MISSING, advice, needed=True)
        else:
            text = f'{model["ms"]:.1f} ms for a picture of 640×480 with {model["runtime"]}'
            yield Finding('models', name, text)
    yield _examine_scenes(found.get('scenes', []))


def _examine_scenes(names: list[str]) -> Finding:
    if names:
        return Finding('models', 'scene://', ', '.join(names))
    advice = f'for demos alone: {how_to_get_demos("rendered scenes")}'
    return Finding('models', 'scene://', 'no scenes are installed', WARNING, advice)
