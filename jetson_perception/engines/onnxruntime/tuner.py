"""Finds the fastest variant of a model: checks and times each, and keeps it if it is faster."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from jetson_perception.engines.onnxruntime.variant import allowed_variants
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.engines.onnxruntime.candidate import Candidate
    from jetson_perception.engines.onnxruntime.choices import Choices
    from jetson_perception.engines.onnxruntime.trial import Trial
    from jetson_perception.engines.onnxruntime.variant import Variant

_log = logging.getLogger('jetson_perception')

# A variant must take less than this share of the current one's time.
_WORTH_IT = 0.97
# With a search for algorithms it must gain more: the search is repeated at every start, a second
# or more for each engine, and times of one variant differ by some 5 % between trials.
_WORTH_A_SEARCH = 0.9


class _Timed(NamedTuple):
    candidate: Candidate
    ms: float


class Tuner:
    """Times our own graphs of one model.

    Parameters
    ----------
    name : str
        The model's name, for the log.
    choices : Choices
        What to choose from.
    """

    def __init__(self, name: str, choices: Choices) -> None:
        self._name = name
        self._choices = choices

    def choose(
        self,
        first: Candidate,
        trial: Trial,
        *,
        make: Callable[[Variant], Candidate],
        knows_head: Callable[[], bool],
    ) -> Candidate:
        """The candidate of the fastest variant; `first` if no other works and is faster.

        Parameters
        ----------
        first : Candidate
            Captured and checked; closed if another one is returned.
        trial : Trial
            What `first` was checked with.
        make : callable
            Makes a candidate of a variant, for a graph of our own.
        knows_head : callable
            Whether our kernel computes the model's head.

        Raises
        ------
        CudaError
            When the GPU fails for good.
        """
        best = _Timed(first, first.launch_ms())
        try:
            for each in allowed_variants(self._choices.layouts):
                variant = each._replace(searches=first.variant.searches)
                timed = (
                    self._time(variant, best, trial, make) if variant != first.variant else None
                )
                if timed is not None:
                    best = _faster(best, timed)
                    break
            if 'kernel' in self._choices.heads and knows_head():
                variant = best.candidate.variant._replace(decodes_head=True)
                timed = self._time(variant, best, trial, make)
                if timed is not None:
                    best = _faster(best, timed)
            if 'exhaustive' in self._choices.searches and not first.variant.searches:
                variant = best.candidate.variant._replace(searches=True)
                timed = self._time(variant, best, trial, make)
                if timed is not None:
                    best = _faster(best, timed)
        except BaseException:
            if best.candidate is not first:
                best.candidate.close()
            raise
        return best.candidate

    def _time(
        self, variant: Variant, best: _Timed, trial: Trial, make: Callable[[Variant], Candidate]
    ) -> _Timed | None:
        """A variant's graph and its time; None if it fails, which is logged."""
        reference, candidate = trial.expected, None
        try:
            candidate = make(variant)
            with START_TIMES.span(f'first runs in {variant}', self._name):
                trial.warm_up(candidate)
            trial.check_rounding(reference)
            candidate.record()
            trial.check(candidate.launch)
            timed = _Timed(candidate, candidate.launch_ms())
        except BaseException as err:
            if candidate is not None:
                candidate.close()
            if not isinstance(err, (ModelError, CudaError)) or err.fatal:
                raise
            # As text: a log record that keeps the error would keep the session, too.
            _log.info('%s: does not run in %s: %s', self._name, variant, str(err))
            return None
        finally:
            trial.expected = reference
        here = best.candidate.variant
        _log.info('%s: %s %.3f ms, %s %.3f ms', self._name, here, best.ms, variant, timed.ms)
        return timed


def _faster(best: _Timed, other: _Timed) -> _Timed:
    """The faster of two candidates; the other one is closed."""
    worth_it = _WORTH_A_SEARCH if other.candidate.variant.searches else _WORTH_IT
    if other.ms < worth_it * best.ms:
        best.candidate.close()
        return other
    other.candidate.close()
    return best
