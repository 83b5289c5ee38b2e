"""The checks. Each runs in its own process: `main` runs the one that a JSON text describes."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetson_perception.errors import BuildCanceled, ModelError, PerceptionError
from jetson_perception.evaluation.agreement import Limits, make_agreement, match_boxes
from jetson_perception.evaluation.confusion import ConfusionMatrix
from jetson_perception.evaluation.datasets import ObjectDataset
from jetson_perception.evaluation.scenes import open_scene
from jetson_perception.images.picture_files import read_picture
from jetson_perception.models import SegmentationModel, open_model
from jetson_perception.pipeline import Frame, Pipeline, make_lane
from jetson_perception.printable import counted
from jetson_perception.selftest.claims import FAIL, PASS
from jetson_perception.tasks.results import Detections

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from jetson_perception.models import Model as _Model

    Model = _Model[Any, Any]

LEAST_MIOU = 0.85
LEAST_RECALL = 0.6
CANCEL_WITHIN_S = 10.0
_FRAME_TIMEOUT_S = 60.0
_TIMED = 50
_ALIKE = 0.95  # share of boxes or pixels that the pipeline must have in common with the CPU

# Allowed differences from the CPU on the same file. INT8 boxes drift even between two runtimes
# that round in the same places, because the values that they round differ in the last bit.
LIMITS = {
    'fp32': Limits(0.98, score_drift=0.03, corner_drift=2.0, keypoint_drift=3.0),
    'fp16': Limits(0.95, score_drift=0.05, corner_drift=3.0, keypoint_drift=4.0),
    'int8': Limits(0.90, score_drift=0.15, corner_drift=8.0, mask_agreement=0.97),
}


@dataclass(frozen=True)
class Task:
    """One check of one subject.

    Attributes
    ----------
    claim : str
        Name of the claim.
    models : tuple of str
        Names of the package's models, or paths.
    runtime, precision : str
        As in `open_model`; empty if the claim has none.
    pictures : str
        Folder of lossless picture files.
    folder : str
        The check may write there.
    """

    claim: str
    models: tuple[str, ...] = ()
    runtime: str = ''
    precision: str = ''
    pictures: str = ''
    folder: str = ''

    @property
    def subject(self) -> str:
        """What is checked, for people."""
        return ', '.join(filter(None, ('+'.join(self.models), self.runtime, self.precision)))


@dataclass
class Verdict:
    """The outcome of a check; figures are added as it runs."""

    outcome: str = PASS
    reason: str = ''
    figures: dict[str, Any] = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        """Fail; only the first reason is reported."""
        if self.outcome == PASS:
            self.outcome, self.reason = FAIL, reason


def run(task: Task) -> Verdict:
    """Run a check. If it raises, it fails with the text of the exception."""
    verdict = Verdict()
    try:
        _CHECKS[task.claim](task, verdict)
    except PerceptionError as err:
        verdict.outcome, verdict.reason = FAIL, str(err)
    except Exception as err:
        logging.getLogger(__name__).exception('unexpected')
        verdict.outcome, verdict.reason = FAIL, f'unexpected {type(err).__name__}: {err}'
    return verdict


def _open(task: Task, name: str, **building: Any) -> Model:
    return open_model(name, runtime=task.runtime, precision=task.precision or 'fp16', **building)


def _open_on_cpu(name: str) -> Model:
    return open_model(name, runtime='onnxruntime_cpu')


def _closed_by(stack: ExitStack, model: Model) -> Model:
    stack.callback(model.close)
    return model


def load_pictures(task: Task, model: Model) -> list[NDArray[np.uint8]]:
    """The pictures of the scene that suits a model."""
    scene = 'oranges' if isinstance(model, SegmentationModel) else 'people'
    files = sorted(Path(task.pictures).glob(f'{scene}_*.png'))
    if not files:
        raise PerceptionError(f'pictures cannot be read: there are none in {task.pictures}')
    return [read_picture(file) for file in files]


def check_truth(task: Task, verdict: Verdict) -> None:
    """Compare what the CPU finds with the ground truth of a rendered scene."""
    (name,) = task.models
    with _open_on_cpu(name) as model:
        if isinstance(model, SegmentationModel):
            dataset = open_scene('scene://oranges?count=6')
            confusion = ConfusionMatrix(256)
            for _, bgr, truth in dataset.pictures:
                confusion.add(np.asarray(truth), model(bgr).mask)
            share, least, what = confusion.mean_iou(), LEAST_MIOU, 'mIoU'
        else:
            share, least, what = _recall(model), LEAST_RECALL, 'share of objects found'
    verdict.figures[what] = share
    verdict.reason = f'{what} {share:.3f}'
    if not share >= least:
        verdict.fail(f'{what} is {share:.3f}; expected {least} or more')


def _recall(model: Model) -> float:
    dataset = open_scene('scene://people?count=12')
    assert isinstance(dataset, ObjectDataset)
    ids = [dataset.class_names.index(name) for name in model.class_names]
    found_count = count = 0
    for _, bgr, truth in dataset.pictures:
        found = model(bgr)
        known = np.isin(truth.class_id, ids)
        there = Detections(
            truth.xyxy[known].astype(np.float32),
            np.ones(known.sum(), np.float32),
            np.array([ids.index(class_id) for class_id in truth.class_id[known]], np.int32),
        )
        found_count += len(match_boxes(there, found, 0.5)[0])
        count += int(known.sum())
    return found_count / count


def check_agreement(task: Task, verdict: Verdict) -> None:
    """Compare an engine with the CPU on the same file, and time it."""
    (name,) = task.models
    begun = time.perf_counter()
    with _open_on_cpu(name) as reference, _open(task, name) as model:
        verdict.figures['opened after (s)'] = time.perf_counter() - begun
        verdict.figures['runtime'] = model.engine.description
        pictures = load_pictures(task, model)
        agreement = make_agreement(reference, model)
        for index, bgr in enumerate(pictures):
            agreement.add(f'picture {index}', bgr)
        verdict.figures |= agreement.figures()
        past = [limit for limit in agreement.check(LIMITS[task.precision]) if not limit.kept]
        tensor, _ = model.preprocess(pictures[0])
        verdict.figures['inference (ms)'] = _median_ms(lambda: model.infer(tensor))
    verdict.reason = f'inference {verdict.figures["inference (ms)"]:.2f} ms'
    if past:
        verdict.fail(
            '; '.join(f'{each.figure} is {each.value:.4f}, limit {each}' for each in past)
        )


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMED):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(np.median(times[_TIMED // 5 :])) * 1e3


def check_pipeline(task: Task, verdict: Verdict) -> None:
    """Run the nodes' pipeline with all models at once, and compare its results with the CPU's."""
    with ExitStack() as stack:
        references = [_closed_by(stack, _open_on_cpu(name)) for name in task.models]
        models = [_closed_by(stack, _open(task, name)) for name in task.models]
        pictures = [bgr for model in models for bgr in load_pictures(task, model)]
        runner = _Runner(dict(zip(task.models, models, strict=True)))
        stack.callback(runner.close)
        shares: dict[str, list[float]] = {name: [] for name in task.models}
        for bgr in pictures:
            results = runner.run(bgr)
            for name, reference in zip(task.models, references, strict=True):
                shares[name].append(likeness(results[name], reference(bgr)))
        latencies = [runner.timed(pictures[index % len(pictures)]) for index in range(_TIMED)]
    verdict.figures['runtimes'] = [model.engine.description for model in models]
    verdict.figures['stages (ms)'] = runner.stages()
    latency = float(np.median(latencies[_TIMED // 5 :]))
    verdict.figures['end to end (ms)'] = latency
    verdict.reason = f'end to end {latency:.2f} ms'
    if runner.errors:
        verdict.fail(
            f'{counted(len(runner.errors), "frame")} failed, the first: {runner.errors[0]}'
        )
    for name, values in shares.items():
        share = float(np.mean(values))
        verdict.figures[f'{name}: alike'] = share
        if not share >= _ALIKE:
            verdict.fail(f'{name}: {share:.3f} is alike; expected {_ALIKE} or more')


def likeness(one: Any, other: Any) -> float:
    """Share of matched boxes, or of pixels with the same class; 1.0 if there are no boxes."""
    if one is None:
        return 0.0
    if isinstance(one, Detections):
        most = max(len(one.score), len(other.score))
        return len(match_boxes(one, other, 0.5)[0]) / most if most else 1.0
    return float((one.mask == other.mask).mean())


class _Runner:
    """The lanes of the nodes, given one frame at a time."""

    def __init__(self, models: dict[str, Model]) -> None:
        self.errors: list[str] = []
        self._answered = threading.Condition()
        self._results: dict[str, Any] = {}
        self._lanes = [
            make_lane(
                name,
                model,
                partial(self._publish, name),
                on_error=partial(self._fail, name),
            )
            for name, model in models.items()
        ]
        self._pipeline = Pipeline(self._lanes)
        self._pipeline.start()

    def run(self, bgr: NDArray[np.uint8]) -> dict[str, Any]:
        """The result of every lane for an image; None for a lane that failed or timed out."""
        with self._answered:
            self._results = {}
        self._pipeline.offer(Frame(lambda: bgr))
        with self._answered:
            if not self._answered.wait_for(self._all_answered, _FRAME_TIMEOUT_S):
                self.errors.append(f'no answer within {_FRAME_TIMEOUT_S:g} s')
            return {lane.name: self._results.get(lane.name) for lane in self._lanes}

    def timed(self, bgr: NDArray[np.uint8]) -> float:
        """Milliseconds from an image to the results of every lane."""
        begun = time.perf_counter()
        self.run(bgr)
        return (time.perf_counter() - begun) * 1e3

    def stages(self) -> dict[str, dict[str, float]]:
        """Median time of every stage, by lane, ms."""
        return {
            lane.name: {stage: each.median_ms for stage, each in lane.times.summary().items()}
            for lane in self._lanes
        }

    def close(self) -> None:
        """End the threads."""
        self._pipeline.close()

    def _all_answered(self) -> bool:
        return len(self._results) == len(self._lanes)

    def _publish(self, name: str, _frame: Frame | None, result: Any) -> None:
        with self._answered:
            self._results[name] = result
            self._answered.notify_all()

    def _fail(self, name: str, error: PerceptionError) -> None:
        self.errors.append(f'{name}: {error}')
        self._publish(name, None, None)


def check_cache(task: Task, verdict: Verdict) -> None:
    """Build, reuse, damage and refuse an engine file, in the check's own folder."""
    os.environ['XDG_CACHE_HOME'] = task.folder
    (name,) = task.models
    built, seconds = _open_timed(task, name)
    verdict.figures['first (s)'] = seconds
    if not built:
        verdict.fail('the first opening built nothing')
    plans = sorted(Path(task.folder).rglob('*.plan'))
    if len(plans) != 1:
        verdict.fail(f'{counted(len(plans), "engine")} under {task.folder}; expected 1')
        return
    built, seconds = _open_timed(task, name)
    verdict.figures['second (s)'] = seconds
    if built:
        verdict.fail('the second opening built the engine again')
    content = bytearray(plans[0].read_bytes())
    verdict.figures['bytes'] = len(content)
    content[len(content) // 2] ^= 0xFF
    plans[0].write_bytes(content)
    built, _ = _open_timed(task, name)
    if not built:
        verdict.fail('an engine with a flipped byte was taken')
    folder = plans[0].parent
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    try:
        _open_timed(task, name)
    except ModelError as err:
        verdict.figures['refusal'] = str(err)
    else:
        verdict.fail('a folder that others can write to was used')
    finally:
        folder.chmod(0o700)
    first, second = verdict.figures['first (s)'], verdict.figures['second (s)']
    verdict.reason = verdict.reason or f'built in {first:.1f} s, found in {second:.1f} s'


def _open_timed(task: Task, name: str) -> tuple[bool, float]:
    """Whether an engine was built when a model was opened, and how long that took, s."""
    phases: list[str] = []
    begun = time.perf_counter()
    with _open(task, name, progress=lambda fraction, phase: phases.append(phase)):
        return bool(phases), time.perf_counter() - begun


def check_refusals(task: Task, verdict: Verdict) -> None:
    """Open files that are not engine files: each must raise a ModelError that says why."""
    (name,) = task.models
    with _open(task, name):
        plans = sorted(Path(os.environ['XDG_CACHE_HOME']).rglob('*.plan'))
    if not plans:
        verdict.fail('no engine is kept, so none can be damaged')
        return
    plan = plans[-1].read_bytes()
    older = bytearray(plan)
    older[24:28] = bytes((8, 5, 2, 1))
    for case, content in {
        'empty': b'',
        'no engine': b'this is no engine' * 100,
        'cut off': plan[: len(plan) // 2],
        'another version': bytes(older),
    }.items():
        path = Path(task.folder, f'{case.replace(" ", "_")}.engine')
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            open_model(path, runtime=task.runtime).close()
        except ModelError as err:
            verdict.figures[case] = str(err)
        else:
            verdict.figures[case] = 'opened'
            # The position of the version in the header is known only for 9.1 and later.
            if case != 'another version':
                verdict.fail(f'a file that is {case} was opened')


def check_cancel(task: Task, verdict: Verdict) -> None:
    """Cancel a build as soon as it reports progress."""
    os.environ['XDG_CACHE_HOME'] = task.folder
    (name,) = task.models
    cancel, asked = threading.Event(), [0.0]

    def progress(fraction: float | None, phase: str) -> None:
        if not cancel.is_set():
            asked[0] = time.perf_counter()
            cancel.set()

    try:
        _open(task, name, progress=progress, cancel=cancel).close()
    except BuildCanceled:
        elapsed = time.perf_counter() - asked[0]
        verdict.figures['ended after (s)'] = elapsed
        verdict.reason = f'ended after {elapsed:.1f} s'
        if elapsed > CANCEL_WITHIN_S:
            verdict.fail(f'ended after {elapsed:.1f} s; expected {CANCEL_WITHIN_S:g} s at most')
    else:
        verdict.fail('the build went on to its end' if asked[0] else 'no progress was reported')


_CHECKS: dict[str, Callable[[Task, Verdict], None]] = {
    'truth': check_truth,
    'agrees': check_agreement,
    'pipeline': check_pipeline,
    'together': check_pipeline,
    'cache': check_cache,
    'refusals': check_refusals,
    'cancel': check_cancel,
}


def main() -> None:
    """Run the task given as JSON on the command line; print its verdict as the last line."""
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s: %(message)s')
    content = json.loads(sys.argv[1])
    task = Task(**{**content, 'models': tuple(content['models'])})
    verdict = run(task)
    sys.stdout.write('\n' + json.dumps(asdict(verdict)) + '\n')
    sys.stdout.flush()
