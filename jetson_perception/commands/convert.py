"""`jetson-perception convert`: an ONNX file in another opset, and whether it gives the same."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console

from jetson_perception.camera.named_frames import readable_frames
from jetson_perception.commands.calibration_pictures import default_output
from jetson_perception.commands.figures import write_figures
from jetson_perception.commands.options import positive
from jetson_perception.commands.overrides import read_overrides
from jetson_perception.commands.sidecars import copy_sidecar
from jetson_perception.commands.terminal import say
from jetson_perception.engines.metadata import sidecar_path
from jetson_perception.engines.onnx_file.opset_conversion import convert_file
from jetson_perception.errors import ModelError, ParameterError, PerceptionError
from jetson_perception.files.output_files import require_writable, write_output
from jetson_perception.models import open_model, resolve_model
from jetson_perception.printable import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from jetson_perception.engines.onnx_file.opset_conversion import Conversion
    from jetson_perception.models import Model

_ENGINE = 'onnxruntime_cpu'  # gives the same result on every machine
#: The largest difference that counts as the same, of the largest value of an output. Rounding of
#: operators that are computed in another order stays far below.
_SAME = 1e-3
_PICTURES = 3
_MOST_PICTURES = 20


class Difference(NamedTuple):
    """How far results of two files are apart.

    Attributes
    ----------
    pictures : int
        On how many pictures they were compared.
    largest : float
        The largest difference of two values.
    share : float
        The same, of the largest value of that output.
    """

    pictures: int
    largest: float
    share: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.description = _convert.__doc__
    parser.add_argument('model', metavar='MODEL', help='ONNX file, or name of a shipped model')
    parser.add_argument(
        '--opset', type=positive, required=True, metavar='N', help='the opset to convert to'
    )
    parser.add_argument(
        '--ir-version',
        type=positive,
        metavar='N',
        help='version of the file format (default: the lowest that the opset allows)',
    )
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='default: <name>_opset<N>.onnx, here'
    )
    parser.add_argument(
        '--images',
        metavar='SOURCE',
        help=f'compare on up to {_MOST_PICTURES} pictures of a folder, video or scene (default: '
        'on generated ones)',
    )
    parser.add_argument('--force', action='store_true', help='replace --output if it exists')
    parser.add_argument(
        '--unchecked',
        action='store_true',
        help='write the file even if results differ, or cannot be compared',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        help='what the model file leaves out, as for info and run; repeatable',
    )
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write what was done to this file'
    )
    parser.add_argument('-v', '--verbose', action='store_true', help='print more messages')
    parser.set_defaults(command=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    """Write an ONNX file in another opset, for a runtime that is too old for it.

    Says what is different, runs both files on pictures, and writes the new one only if results
    are the same.
    """
    path = resolve_model(arguments.model)
    out: Path = arguments.output or default_output(path, f'_opset{arguments.opset}.onnx')
    require_writable(out, parameter='output')
    require_writable(arguments.json, parameter='json')
    _check_output(path, out, force=arguments.force)
    made = convert_file(path, arguments.opset, arguments.ir_version)
    console = Console()
    say(
        console,
        f'{path.name}: opset {made.opsets[0]} to {made.opsets[1]}, IR version '
        f'{made.ir_versions[0]} to {made.ir_versions[1]}',
    )
    for change in made.changes or ('no operator is different',):
        say(console, f'  {change}')
    difference, problem = _compared(path, made, arguments)
    if difference is not None:
        say(
            console,
            f'largest difference on {counted(difference.pictures, "picture")}: '
            f'{difference.largest:.3g}, which is {difference.share:.2g} of the largest value',
        )
    if problem and not arguments.unchecked:
        raise ModelError(f'{problem}; nothing was written (--unchecked writes it all the same)')
    write_output(out, made.content, parameter='output')
    copy_sidecar(path, out)
    say(console, f'wrote {out}{f": {problem}" if problem else ", with the same results"}')
    record = {
        'model': str(path),
        'output': str(out),
        'opsets': made.opsets,
        'ir_versions': made.ir_versions,
        'changes': made.changes,
        'difference': difference._asdict() if difference else None,
        'problem': problem,
    }
    write_figures(arguments.json, record)
    return 1 if problem else 0


def _check_output(path: Path, out: Path, *, force: bool) -> None:
    """Refuse to replace what should stay, before anything is done."""
    if path.suffix.lower() != '.onnx':
        raise ModelError(f'{path} is no ONNX file; give the one that it was made from')
    if out.suffix != '.onnx' or (out.exists() and path.exists() and out.samefile(path)):
        raise ParameterError(
            f'--output {out}: expected another .onnx file than the model', 'output'
        )
    if out.exists() and not force:
        raise ParameterError(
            f'{out} exists; --force replaces it, --output names another', 'output'
        )


def _compared(
    path: Path, made: Conversion, arguments: argparse.Namespace
) -> tuple[Difference | None, str]:
    """How far results are apart, and what is wrong with them; '' if they are the same."""
    overrides = read_overrides(arguments.set)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix='jetson_perception_'))
        )
        new = folder / path.name
        new.write_bytes(made.content)
        beside = sidecar_path(path)
        if beside is not None:
            shutil.copyfile(beside, folder / beside.name)
        try:
            models = [
                stack.enter_context(
                    closing(open_model(each, runtime=_ENGINE, overrides=overrides))
                )
                for each in (path, new)
            ]
            difference = _difference(models[0], models[1], _pictures(arguments.images))
        except PerceptionError as err:
            return None, f'results cannot be compared: {err}'
    if not difference.pictures:
        return difference, f'results cannot be compared: no picture in {arguments.images}'
    if not difference.share <= _SAME:  # nor if it is NaN
        return difference, f'results differ by up to {difference.share:.2g} of the largest value'
    return difference, ''


def _difference(
    old: Model[Any, Any], new: Model[Any, Any], pictures: Iterable[NDArray[np.uint8]]
) -> Difference:
    count, largest, share = 0, 0.0, 0.0
    for bgr in pictures:
        count += 1
        tensor = old.preprocess(bgr)[0]
        before = [np.array(each, np.float64) for each in old.infer(tensor)]
        after = [np.array(each, np.float64) for each in new.infer(tensor)]
        for one, other in zip(before, after, strict=True):
            if one.shape != other.shape:
                return Difference(count, float('inf'), float('inf'))
            if one.size and not np.array_equal(one, other, equal_nan=True):
                apart = float(np.abs(one - other).max())
                # Not max(), which would pass over NaN.
                largest = apart if not apart <= largest else largest
                part = apart / max(float(np.abs(one).max()), 1e-9)
                share = part if not part <= share else share
    return Difference(count, largest, share)


def _pictures(source: str | None) -> Iterator[NDArray[np.uint8]]:
    """Pictures to compare on: those of a source, or coarse and fine noise."""
    if source:
        for frame in readable_frames(source, _MOST_PICTURES):
            yield frame.bgr
        return
    for seed in range(_PICTURES):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (9, 16, 3), np.uint8)
        large = cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)
        fine = random.integers(-20, 21, large.shape)
        yield (large + fine).clip(0, 255).astype(np.uint8)
