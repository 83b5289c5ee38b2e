"""Finds the first mode in which a model runs in the calling thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.errors import CudaError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.engines.onnxruntime.candidates import Candidates
    from jetson_perception.engines.onnxruntime.trial import Trial
    from jetson_perception.engines.onnxruntime.tuner import Tuner

_log = logging.getLogger('jetson_perception')


class Way(NamedTuple):
    """How frames run.

    Attributes
    ----------
    mode : str
        One of `choices.MODES`.
    run : callable
        Enqueues a run on the stream.
    is_of_thread : bool
        Whether only the thread that made it may call `run`.
    """

    mode: str
    run: Callable[[], None]
    is_of_thread: bool = False


def begin(candidates: Candidates, tuner: Tuner, modes: Sequence[str], trial: Trial) -> Way:
    """Try the modes in order; the candidate of the first one that works stays in use.

    The source's conversion is freed, because sessions have copies.

    Raises
    ------
    ModelError, CudaError
        When the last mode fails, or the GPU fails for good.
    """
    _warm_up(candidates, trial)
    name = candidates.source.path.name
    for mode in modes:
        try:
            way = _begin(mode, candidates, tuner, trial)
        except (ModelError, CudaError) as err:
            if mode == modes[-1] or (isinstance(err, CudaError) and err.fatal):
                raise
            # As text: a log record that keeps the error would keep the session, too.
            _log.info('%s: does not run as %s: %s', name, mode.replace('_', ' '), str(err))
            candidates.drop()  # its state is unknown
        else:
            candidates.source.forget()
            return way
    raise AssertionError('there is always a mode')


def _warm_up(candidates: Candidates, trial: Trial) -> None:
    """Run the first candidate without a graph; in the types of the file if FP16 overflows."""
    known = candidates.first_variant()
    candidate = candidates.in_use
    if (
        candidate is None
        or candidate.mode != candidates.first_mode()
        or candidates.variant != known
    ):
        candidates.variant = known
        candidate = candidates.first()
    trial.warm_up(candidate)
    if candidates.source.is_half and not trial.is_finite():
        candidates.source.leave_half('its results are not finite')
        trial.warm_up(candidates.first())


def _begin(mode: str, candidates: Candidates, tuner: Tuner, trial: Trial) -> Way:
    """Make frames run in one mode; our own graph uses the fastest variant."""
    on_cpu = candidates.nodes_on_cpu() if mode != 'plain' else []
    if on_cpu:  # a graph would leave their work out
        raise ModelError(f'the CPU computes {", ".join(on_cpu[:3])}')
    if mode != 'own_graph':
        candidates.variant = candidates.variant._replace(decodes_head=False)
    candidate = candidates.in_use
    if candidate is None or (candidate.mode, candidate.variant) != (mode, candidates.variant):
        candidate = candidates.renew(mode)
        trial.warm_up_again(candidate.run if mode == 'runtime_graph' else candidate.run_plainly)
    if mode == 'plain':
        return Way(mode, candidate.run_plainly)
    if mode == 'runtime_graph':
        trial.check(candidate.run)
        return Way(mode, candidate.run, is_of_thread=True)
    candidate.record()
    trial.check(candidate.launch)
    fastest = tuner.choose(
        candidates.tuning_key(),
        candidate,
        trial,
        make=lambda variant: candidates.make(variant, 'own_graph'),
        knows_head=candidates.has_known_head,
    )
    candidates.keep(fastest)
    return Way(mode, fastest.launch)
