"""The candidates of one engine: makes them, and keeps the one in use."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from jetson_perception.cuda.driver_release import driver_release
from jetson_perception.engines.image_input import is_usual_image
from jetson_perception.engines.onnxruntime.candidate import Candidate
from jetson_perception.engines.onnxruntime.cpu import named_dimensions
from jetson_perception.engines.onnxruntime.findings import Findings
from jetson_perception.engines.onnxruntime.head import cut_model, has_known_head, with_kernel
from jetson_perception.engines.onnxruntime.kept import KeptFindings, kept_models, kept_name
from jetson_perception.engines.onnxruntime.source import ModelSource
from jetson_perception.engines.onnxruntime.variant import allowed_variants
from jetson_perception.errors import CudaError, ModelError
from jetson_perception.process.start_times import START_TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetson_perception.cuda.device import CudaDevice, Stream
    from jetson_perception.engines.onnxruntime.candidate import Tensors
    from jetson_perception.engines.onnxruntime.choices import Choices
    from jetson_perception.engines.onnxruntime.head import CutModel
    from jetson_perception.engines.onnxruntime.session import CudaSession
    from jetson_perception.engines.onnxruntime.variant import Variant
    from jetson_perception.model_info import ModelInfo

_log = logging.getLogger('jetson_perception')


class _NotKeptError(ModelError):
    """The model without its head is not kept, and cannot be made yet."""


class Candidates:
    """Makes candidates, and owns the one in use. The CUDA context must be current for every call.

    Parameters
    ----------
    source : ModelSource
    stream : Stream
    choices : Choices
    asked_size_wh : tuple of int, optional
        Input size that the user asked for.
    count : int
        How many images run at a time.
    tf32 : bool
        Whether FP32 convolutions may round to 10 bits of mantissa.

    Attributes
    ----------
    choices
        As given.
    variant : Variant
        The variant of the next candidate.
    dimensions : dict of str to int
        Sizes of open dimensions, by name.
    in_use : Candidate or None
    known : Findings or None
        What an engine of the same model has found out before, on this GPU.
    """

    def __init__(
        self,
        source: ModelSource,
        stream: Stream,
        choices: Choices,
        *,
        asked_size_wh: tuple[int, int] | None,
        count: int = 1,
        tf32: bool,
    ) -> None:
        self.source = source
        self.dimensions: dict[str, int] = {}
        self.in_use: Candidate | None = None
        self.known: Findings | None = None
        self._stream = stream
        self.choices = choices
        self._tf32 = tf32
        self._on_cpu: list[str] = []
        self._refuses_graphs = False
        self._found: Findings | None = None
        self._info: ModelInfo | None = None
        self._tensors: Tensors | None = None
        self._asked_size_wh = asked_size_wh
        self._sizes = [*(asked_size_wh or ()), *([count] if count > 1 else [])]
        self._kept = _kept_findings(source, stream.device, self._sizes, choices, tf32=tf32)
        # Others are compared with it.
        allowed = allowed_variants(choices.layouts)
        default = min(allowed, key=lambda each: each.fuses_bias)
        # The search takes the longest part of a start, so it is tried last.
        searches = choices.modes[0] != 'own_graph' or 'heuristic' not in choices.searches
        self.variant = self._default = default._replace(searches=searches)
        self.look_up()

    def open_for(self, info: ModelInfo, tensors: Tensors) -> None:
        """Open a model that another engine has described; see `for_several`."""
        assert self._found is not None, 'for_several comes first'
        self.dimensions = named_dimensions(self._found.inputs[0].shape, tensors.inputs[0].shape)
        self.describe(info, tensors)
        if not self.open_known():
            self.first()

    def look_up(self) -> None:
        """See whether an engine has found out meanwhile how the model runs fastest."""
        if self._kept is None or self.known is not None:
            return
        known = self._kept.read()
        if known is None or (known.is_half and not self.source.is_half):
            return
        if self.source.is_half and not known.is_half:
            self.source.leave_half('so an earlier start found', again=True)
        self.known, self.variant = known, known.variant

    def ask(self) -> Findings:
        """What the whole model tells when it is open: all but its outputs and what is fastest."""
        self.variant = self.variant._replace(decodes_head=False)
        candidate = self._open()
        raw, is_half = candidate.session.raw, self.source.is_half
        self._found = Findings.of_session(self.source.path, raw, is_half=is_half)
        return self._found

    def open_known(self) -> bool:
        """Open the variant that is known to be the fastest; False if that fails, or one is not."""
        if self.known is None:
            return False
        try:
            self.first()
        except _NotKeptError:
            return False
        except (ModelError, CudaError) as err:
            self.doubt(err)
            return False
        return True

    def whole_session(self) -> CudaSession:
        """A session of the whole model, which knows the sizes of the input."""
        if self.in_use is None:  # what was known is not true any more
            self.ask()
        if self.dimensions:  # with known sizes it can plan memory and capture graphs
            self.first()
        assert self.in_use is not None
        return self.in_use.session

    def doubt(self, err: ModelError | CudaError) -> None:
        """Forget what is known, since it does not work; raises the error if nothing will."""
        if err.fatal:
            raise err
        # As text: a log record that keeps the error would keep the session, too.
        name = self.source.path.name
        _log.info('%s: does not run as it did, and is tried anew: %s', name, str(err))
        self.drop()
        if self._kept is not None:
            self._kept.forget()
        self._found = self._found or self.known
        self.known, self.variant = None, self._default

    def describe(self, info: ModelInfo, tensors: Tensors) -> None:
        """Set what is known once the model is open; candidates are bound from now on."""
        self._info, self._tensors = info, tensors

    def keep(self, candidate: Candidate) -> None:
        """Use this candidate, and remember that it is the fastest.

        Whoever chose it closes the one before.
        """
        self.in_use, self.variant = candidate, candidate.variant
        _, tensors = self._described()
        if self._kept is not None and self._found is not None:
            self._kept.write(
                replace(
                    self._found,
                    is_half=self.source.is_half,
                    outputs=tensors.outputs,
                    variant=candidate.variant,
                    head=candidate.head,
                )
            )

    def first_mode(self) -> str:
        """'own_graph' if a graph may work; its session also does plain runs."""
        if self.choices.modes[0] != 'own_graph' or self._refuses_graphs or self.nodes_on_cpu():
            return 'plain'
        return 'own_graph'

    def first(self) -> Candidate:
        """Make the candidate to begin with, in place of the one in use."""
        mode = self.first_mode()
        try:
            return self.renew(mode)
        except ModelError as err:
            if mode == 'plain' or self.variant.decodes_head:
                raise
            # The runtime refuses graphs for models that it computes partly on the CPU.
            _log.debug('%s: no session for a graph: %s', self.source.path.name, str(err))
        candidate = self.renew('plain')
        self._refuses_graphs = True
        return candidate

    def renew(self, mode: str) -> Candidate:
        """Make a candidate of `variant`, in place of the one in use."""
        self.drop()
        variant = self.variant
        if mode == 'plain' and 'exhaustive' in self.choices.searches:
            variant = variant._replace(searches=True)  # nothing is timed in this mode
        self.in_use = self.make(variant, mode)
        self.variant = variant
        return self.in_use

    def make(self, variant: Variant, mode: str) -> Candidate:
        """One more candidate, which the caller closes.

        Raises
        ------
        ModelError, CudaError
            When the runtime or the GPU refuses it.
        """
        name = self.source.path.name
        cut = self._cut(variant) if variant.decodes_head else None
        with START_TIMES.span(f'loading in {variant}', name):
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

    def has_known_head(self) -> bool:
        """Whether our kernel computes the same as the model does after its last convolutions."""
        info, tensors = self._described()
        if not is_usual_image(tensors.inputs[0]) or tensors.inputs[0].shape[0] > 1:
            return False
        with START_TIMES.span('examining the head', self.source.path.name):
            return has_known_head(self.source, info, tensors.outputs)

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

    def _open(self) -> Candidate:
        """The very first candidate; from the file as it is if the runtime refuses FP16."""
        try:
            return self.first()
        except ModelError as err:
            if not self.source.is_half:
                raise
            self.source.leave_half(str(err))
            return self.first()

    def _cut(self, variant: Variant) -> CutModel:
        """The model without its head, kept or cut now, and the kernel for the head."""
        source, device, last = self.source, self._stream.device, variant.layout == 'nhwc'
        with START_TIMES.span('cutting the head off', source.path.name):
            kept = _kept_cut(source, device, self._sizes, self.known, last)
            if kept is not None:
                return kept
            info, tensors = self._described()
            cut = cut_model(source, info, tensors.outputs, device, channels_last=last)
            if source.digest:
                kept_models().write(_cut_name(source, self._sizes, last), cut.content)
            return cut

    def _described(self) -> tuple[ModelInfo, Tensors]:
        if self._info is None or self._tensors is None:
            raise _NotKeptError(f'{self.source.path}: the model without its head is not kept')
        return self._info, self._tensors


def for_several(candidates: Candidates, count: int) -> Candidates:
    """Candidates of a model that is open, for so many images at a time; for `open_for`."""
    made = Candidates(
        ModelSource(candidates.source.path, half=candidates.source.is_half),
        candidates._stream,
        candidates.choices,
        asked_size_wh=candidates._asked_size_wh,
        count=count,
        tf32=candidates._tf32,
    )
    made._found = candidates._found or candidates.known
    return made


def _kept_findings(
    source: ModelSource, device: CudaDevice, sizes: Sequence[int], choices: Choices, *, tf32: bool
) -> KeptFindings | None:
    """Where findings are kept; None for what is no model, and where no graph is tried first."""
    if choices.modes[0] != 'own_graph' or not source.digest:
        return None
    gpu = device.name, device.compute_capability, driver_release()
    rounding = source.is_half, tf32
    allowed = choices.layouts, choices.heads, choices.searches
    return KeptFindings(kept_name(source.digest, sizes, rounding, gpu, allowed))


def _kept_cut(
    source: ModelSource,
    device: CudaDevice,
    sizes: Sequence[int],
    known: Findings | None,
    last: bool,
) -> CutModel | None:
    """The model without its head, and the kernel for the head, if it is kept."""
    content = None
    if known is not None and known.head is not None:
        content = kept_models().read(_cut_name(source, sizes, last))
    if content is None or known is None or known.head is None:
        return None
    return with_kernel(content, known.head, known.outputs, device, channels_last=last)


def _cut_name(source: ModelSource, sizes: Sequence[int], last: bool) -> str:
    return f'{kept_name(source.digest, sizes, source.is_half, last)}.cut'
