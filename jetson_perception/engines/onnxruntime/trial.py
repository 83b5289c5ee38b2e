"""Trial runs from host to host, which show whether two ways to compute a model agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.cuda.buffers import DeviceBuffer, PinnedBuffer
from jetson_perception.cuda.release import Resources
from jetson_perception.errors import CudaError
from jetson_perception.printable import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.base import TensorSpec
    from jetson_perception.engines.onnxruntime.candidate import Candidate

# ONNX Runtime plans its memory in the second run; after the third nothing is allocated.
_WARM_UP_RUNS = 3

# Kernels that sum in another order each time differ slightly; stale results differ everywhere.
_TOLERATED_SHARE = 0.01

# Another layout means other kernels, which may round differently.
_ROUNDING = {'share': 0.05, 'relative': 0.1, 'of_largest': 0.01}


class Staging:
    """Page-locked memory between arrays of the host and the buffers of an engine."""

    def __init__(self, source: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> None:
        self._buffers = (source, *outputs)
        self._resources = Resources()
        with self._resources.closed_on_error():
            self._pinned = [
                self._resources.add(PinnedBuffer(each.device, each.shape, each.dtype))
                for each in self._buffers
            ]
        # Results outlive the engine; page-locked memory does not.
        self._results = [np.empty(each.shape, each.dtype) for each in outputs]

    def run(
        self, tensor: NDArray[Any], run: Callable[[], None], stream: Stream
    ) -> Sequence[NDArray[np.generic]]:
        """Copy the input to the GPU, run, and copy the outputs back; the next call reuses them."""
        source, *outputs = self._buffers
        pinned_source, *pinned_outputs = self._pinned
        np.copyto(pinned_source.array, tensor)
        source.copy_from_host(pinned_source, stream)
        run()
        for output, pinned in zip(outputs, pinned_outputs, strict=True):
            output.copy_to_host(pinned, stream)
        stream.synchronize()
        for result, pinned in zip(self._results, pinned_outputs, strict=True):
            np.copyto(result, pinned.array)
        return self._results

    def close(self) -> None:
        """Release the page-locked memory."""
        self._resources.close()


class Trial:
    """Two inputs that every candidate runs on, and the results of plain runs for the first.

    Parameters
    ----------
    staging : Staging
    stream : Stream
    source : TensorSpec
        The input.
    outputs : sequence of TensorSpec
        All outputs.

    Attributes
    ----------
    expected : list of ndarray
        The results that graphs must give: those of the last candidate that `warm_up` ran.
    """

    def __init__(
        self,
        staging: Staging,
        stream: Stream,
        source: TensorSpec,
        outputs: Sequence[TensorSpec],
    ) -> None:
        self._staging = staging
        self._stream = stream
        self._outputs = outputs
        self._noise = np.random.default_rng(0).random(source.shape, np.float32)
        self._noise = self._noise.astype(source.dtype)
        self._black = np.zeros_like(self._noise)
        self.expected: list[NDArray[Any]] = []

    def warm_up(self, candidate: Candidate) -> None:
        """Run a candidate without a graph, and keep its results as `expected`."""
        for _ in range(_WARM_UP_RUNS):
            results = self._through(self._noise, candidate.run_plainly)
        self.expected = [result.copy() for result in results]
        self._through(self._black, candidate.run_plainly)  # so that no old results look right

    def warm_up_again(self, run: Callable[[], None]) -> None:
        """Run another session of the same variant; `expected` stays as it is."""
        for _ in range(_WARM_UP_RUNS):  # in the last of them the runtime captures its graph
            self._through(self._black, run)

    def is_finite(self) -> bool:
        """Whether all expected values are finite."""
        return all(bool(np.isfinite(each).all()) for each in self.expected)

    def check(self, run: Callable[[], None]) -> None:
        """Fail if a graph's results differ from those of plain runs.

        Raises
        ------
        CudaError
            When they do; the message names the output.
        """
        for tensor in (self._black, self._noise):  # a graph that runs once may not run twice
            found = self._through(tensor, run)
        _require_equal(self._outputs, self.expected, found)

    def check_rounding(self, reference: Sequence[NDArray[Any]]) -> None:
        """Fail if `expected` differs from another variant's results by more than rounding.

        Raises
        ------
        CudaError
            When it does; the message names the output.
        """
        _require_equal(self._outputs, reference, self.expected, **_ROUNDING)

    def _through(self, tensor: NDArray[Any], run: Callable[[], None]) -> Sequence[NDArray[Any]]:
        return self._staging.run(tensor, run, self._stream)


def _require_equal(
    specs: Sequence[TensorSpec],
    expected: Sequence[NDArray[Any]],
    found: Sequence[NDArray[Any]],
    *,
    share: float = _TOLERATED_SHARE,
    relative: float = 1e-2,
    of_largest: float = 1e-4,
) -> None:
    """Fail if more than `share` of an output's values differ by more than the tolerances."""
    for spec, wanted, got in zip(specs, expected, found, strict=True):
        differing = _share_that_differs(wanted, got, relative, of_largest)
        if differing > share:
            raise CudaError(
                f'output {quoted(spec.name)} differs from that of a plain run in {differing:.1%} '
                'of its values'
            )


def _share_that_differs(
    wanted: NDArray[Any], got: NDArray[Any], relative: float, of_largest: float
) -> float:
    if not np.issubdtype(wanted.dtype, np.floating):
        return float(np.mean(wanted != got))
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    finite = np.abs(wanted[np.isfinite(wanted)])
    tolerance = of_largest * float(finite.max()) if finite.size else 0.0
    close = np.isclose(got, wanted, rtol=relative, atol=tolerance, equal_nan=True)
    return 1.0 - float(np.mean(close))
