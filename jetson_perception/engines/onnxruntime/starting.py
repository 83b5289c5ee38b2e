"""Finds the first mode in which a model runs in the calling thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.errors import CudaError, ModelError
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jetson_perception.engines.onnxruntime.candidate import Candidate
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
    """Run as an engine of the same model did before; else try the modes, and keep the first one.

    The source's conversion is freed, because sessions have copies.

    Raises
    ------
    ModelError, CudaError
        When the last mode fails, or the GPU fails for good.
    """
    candidates.look_up()  # another engine may have found out since this one was opened
    way = _begin_as_known(candidates, trial) or _begin_anew(candidates, tuner, modes, trial)
    candidates.source.forget()
    return way


def _begin_as_known(candidates: Candidates, trial: Trial) -> Way | None:
    """Run in the variant that is known to be the fastest; None if that fails, or one is not."""
    if candidates.known is None:
        return None
    candidates.variant = candidates.known.variant
    try:
        candidate = _warm_up(candidates, trial)
        if not trial.is_finite():
            raise ModelError('its results are not finite')
        _record(candidates, candidate, trial)
    except (ModelError, CudaError) as err:
        candidates.doubt(err)
        return None
    return Way('own_graph', candidate.launch)


def _begin_anew(candidates: Candidates, tuner: Tuner, modes: Sequence[str], trial: Trial) -> Way:
    _warm_up(candidates, trial)
    if candidates.source.is_half and not trial.is_finite():
        candidates.source.leave_half('its results are not finite')
        candidates.drop()
        _warm_up(candidates, trial)
    name = candidates.source.path.name
    for mode in modes:
        try:
            return _begin(mode, candidates, tuner, trial)
        except (ModelError, CudaError) as err:
            if mode == modes[-1] or err.fatal:
                raise
            # As text: a log record that keeps the error would keep the session, too.
            _log.info('%s: does not run as %s: %s', name, mode.replace('_', ' '), str(err))
            candidates.drop()  # its state is unknown
    raise AssertionError('there is always a mode')


def _warm_up(candidates: Candidates, trial: Trial) -> Candidate:
    """Run the first candidate without a graph."""
    candidate = candidates.in_use
    wanted = candidates.first_mode(), candidates.variant
    if candidate is None or (candidate.mode, candidate.variant) != wanted:
        candidate = candidates.first()
    with START_TIMES.span(f'first runs in {candidate.variant}', candidates.source.path.name):
        trial.warm_up(candidate)
    return candidate


def _begin(mode: str, candidates: Candidates, tuner: Tuner, trial: Trial) -> Way:
    """Make frames run in one mode; our own graph uses the fastest variant."""
    if mode != 'plain':
        _require_no_cpu(candidates)
    candidate = candidates.in_use
    if candidate is None or (candidate.mode, candidate.variant) != (mode, candidates.variant):
        candidate = candidates.renew(mode)
        trial.warm_up_again(candidate.run if mode == 'runtime_graph' else candidate.run_plainly)
    if mode == 'plain':
        return Way(mode, candidate.run_plainly)
    if mode == 'runtime_graph':
        trial.check(candidate.run)
        return Way(mode, candidate.run, is_of_thread=True)
    _record(candidates, candidate, trial)
    with START_TIMES.span('trying other variants', candidates.source.path.name):
        fastest = tuner.choose(
            candidate,
            trial,
            make=lambda variant: candidates.make(variant, 'own_graph'),
            knows_head=candidates.has_known_head,
        )
    candidates.keep(fastest)
    return Way(mode, fastest.launch)


def _record(candidates: Candidates, candidate: Candidate, trial: Trial) -> None:
    """Capture a candidate's graph, and check it."""
    _require_no_cpu(candidates)
    with START_TIMES.span('capturing the graph', candidates.source.path.name):
        candidate.record()
        trial.check(candidate.launch)


def _require_no_cpu(candidates: Candidates) -> None:
    """A graph would leave out what the CPU computes."""
    on_cpu = candidates.nodes_on_cpu()
    if on_cpu:
        raise ModelError(f'the CPU computes {", ".join(on_cpu[:3])}')
