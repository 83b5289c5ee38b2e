"""The candidates of one engine: makes them, and keeps the one in use."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.image_input import is_usual_image
from jetson_perception.engines.onnxruntime.candidate import Candidate, Tensors, Variant
from jetson_perception.engines.onnxruntime.head import cut_model, has_known_head
from jetson_perception.errors import ModelError

if TYPE_CHECKING:
    from jetson_perception.cuda.device import Stream
    from jetson_perception.engines.onnxruntime.choices import Choices
    from jetson_perception.engines.onnxruntime.source import ModelSource
    from jetson_perception.engines.onnxruntime.tuner import Tuner
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')


class Candidates:
    """Makes candidates, and owns the one in use. The CUDA context must be current for every call.

    Parameters
    ----------
    source : ModelSource
    stream : Stream
    choices : Choices
    tuner : Tuner
        Knows the results of earlier engines of the same model.
    asked_size_wh : tuple of int, optional
        Input size that the user asked for.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa.

    Attributes
    ----------
    variant : Variant
        The variant of the next candidate.
    dimensions : dict of str to int
        Sizes of open dimensions, by name.
    in_use : Candidate or None
    """

    def __init__(
        self,
        source: ModelSource,
        stream: Stream,
        choices: Choices,
        tuner: Tuner,
        *,
        asked_size_wh: tuple[int, int] | None,
        tf32: bool,
    ) -> None:
        self.source = source
        self.dimensions: dict[str, int] = {}
        self.in_use: Candidate | None = None
        self._stream = stream
        self._first_mode_asked = choices.modes[0]
        self._tuner = tuner
        self._asked_size_wh = asked_size_wh
        self._tf32 = tf32
        self._on_cpu: list[str] = []
        self._info: ModelInfo | None = None
        self._tensors: Tensors | None = None
        # The first candidate runs the whole model, to find out what its outputs are.
        self.variant = self.first_variant()._replace(decodes_head=False)

    def describe(self, info: ModelInfo, tensors: Tensors) -> None:
        """Set what is known once the model is open; candidates are bound from now on."""
        self._info, self._tensors = info, tensors

    def tuning_key(self) -> tuple[Any, ...]:
        """What the fastest variant depends on."""
        rounding = self.source.is_half, self._tf32
        return self.source.version, self._asked_size_wh, rounding, self._stream.device.index

    def first_variant(self) -> Variant:
        """The fastest variant if known; otherwise the one that others are compared with."""
        return self._tuner.first_variant(self.tuning_key())

    def first_mode(self) -> str:
        """'own_graph' if a graph is known to work; its session also does plain runs."""
        if self._first_mode_asked != 'own_graph':
            return 'plain'
        tuned = self._tuner.is_tuned(self.tuning_key())
        captures = tuned or (self.in_use is not None and not self.nodes_on_cpu())
        return 'own_graph' if captures else 'plain'

    def open(self) -> Candidate:
        """The very first candidate; from the file as it is if the runtime refuses FP16."""
        try:
            return self.first()
        except ModelError as err:
            if not self.source.is_half:
                raise
            self.source.leave_half(str(err))
            return self.first()

    def first(self) -> Candidate:
        """Make the candidate to begin with, in place of the one in use."""
        mode = self.first_mode()
        try:
            return self.renew(mode)
        except ModelError as err:
            if mode == 'plain':
                raise
            # This ONNX Runtime does not report which operators it computes on the CPU.
            _log.debug('%s: no session for a graph: %s', self.source.path.name, str(err))
            return self.renew('plain')

    def renew(self, mode: str) -> Candidate:
        """Make a candidate of `variant`, in place of the one in use."""
        self.drop()
        self.in_use = self.make(self.variant, mode)
        return self.in_use

    def make(self, variant: Variant, mode: str) -> Candidate:
        """One more candidate, which the caller closes.

        Raises
        ------
        ModelError, CudaError
            When the runtime or the GPU refuses it.
        """
        cut = None
        if variant.decodes_head:
            info, tensors = self._described()
            cut = cut_model(
                self.source,
                info,
                tensors.outputs,
                self._stream.device,
                channels_last=variant.layout == 'nhwc',
            )
        candidate = Candidate(
            self.source,
            self._stream,
            variant,
            mode,
            cut=cut,
            tf32=self._tf32,
            dimensions=self.dimensions,
        )
        if self._tensors is not None:
            candidate.bind(self._tensors)
        return candidate

    def keep(self, candidate: Candidate) -> None:
        """Use this candidate; whoever chose it closes the one before."""
        self.in_use, self.variant = candidate, candidate.variant

    def has_known_head(self) -> bool:
        """Whether our kernel computes the same as the model does after its last convolutions."""
        info, tensors = self._described()
        return is_usual_image(tensors.inputs[0]) and has_known_head(
            self.source, info, tensors.outputs
        )

    def nodes_on_cpu(self) -> list[str]:
        """Operators that the runtime runs on the CPU, in the session in use or the last one."""
        if self.in_use is not None:
            self._on_cpu = self.in_use.session.nodes_on_cpu()
        return self._on_cpu

    def drop(self) -> None:
        """Close the candidate in use, if there is one."""
        candidate, self.in_use = self.in_use, None
        if candidate is not None:
            candidate.close()

    def _described(self) -> tuple[ModelInfo, Tensors]:
        assert self._info is not None
        assert self._tensors is not None
        return self._info, self._tensors
