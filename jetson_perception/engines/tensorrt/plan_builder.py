"""Builds TensorRT's serialized plan from an ONNX file, in this process: the child of `builder`.

The same code serves TensorRT 8.5 to 11 and TensorRT-RTX. There are two ways to set the precision:
by the builder's flags for FP16 and INT8, if it has them; otherwise, and for strongly typed
networks, by the types in the ONNX file, so the file is converted first.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.engines.onnx_file.graph import has_quantization, load_model, require_onnx
from jetson_perception.engines.onnx_file.opset_conversion import BY_RULES, convert_model
from jetson_perception.engines.onnx_file.precision import (
    WANTED_IR,
    WANTED_OPSET,
    coordinates_in_float,
    float_weights,
    is_fp16,
    opset_of,
    to_fp16,
    widen_weights,
)
from jetson_perception.engines.tensorrt.api import (
    Gpu,
    collect_errors,
    creation_flag,
    describe_tensorrt,
    find_gpu,
    first_error,
    has_precision_flags,
    is_rtx,
    process_logger,
)
from jetson_perception.engines.tensorrt.build_progress import BuildProgress, make_monitor
from jetson_perception.engines.tensorrt.calibrator import has_calibrator, make_calibrator
from jetson_perception.engines.tensorrt.dla import describe_fallback, require_dla_core
from jetson_perception.errors import (
    ModelError,
    ParameterError,
    PerceptionError,
)
from jetson_perception.files.foreign_files import read_foreign_file
from jetson_perception.files.output_files import write_output
from jetson_perception.files.replacing import replace_file
from jetson_perception.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import tensorrt
    from numpy.typing import NDArray

    from jetson_perception.engines.tensorrt.build_options import BuildOptions

    Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_log = logging.getLogger('jetson_perception.tensorrt')

_OLDEST_OPSET = 7  # the parser warns about older ones, and misreads some of them

_MIB = 1 << 20
_LARGEST_TIMING_CACHE = 1 << 30


@dataclass
class Plan:
    """A serialized engine, and how it was built.

    Attributes
    ----------
    data : buffer
        For `deserialize_cuda_engine`.
    tensorrt : str
        The version that built it, such as 'TensorRT 10.3.0'.
    gpu : str
        The GPU that it was built on; '' for TensorRT-RTX without a GPU.
    layers : int
        Number of layers in the network, before TensorRT fuses them.
    shapes : mapping of str to three shapes
        Smallest, best and largest shape of each input with open dimensions.
    workspace_mib : int
        The limit that was set.
    flags : list of str
        The builder flags that were set, such as 'FP16'.
    notes : list of str
        What else a user may want to know about the build.
    """

    data: Any
    tensorrt: str
    gpu: str
    layers: int
    workspace_mib: int
    shapes: dict[str, Shapes] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build_plan(
    trt: Any,
    path: Path,
    options: BuildOptions,
    *,
    size_wh: tuple[int, int] | None = None,
    calibration: Iterator[NDArray[np.generic]] | None = None,
    report: Callable[[float | None, str], None] = lambda fraction, phase: None,
) -> Plan:
    """Build an engine.

    Parameters
    ----------
    trt : module
        TensorRT.
    path : Path
        The ONNX file, with its external data beside it.
    options : BuildOptions
        How to build it.
    size_wh : tuple of int, optional
        Width and height if the model leaves them open and the options do not set them.
    calibration : iterator of ndarray, optional
        Input tensors to measure INT8 ranges on, if this TensorRT does that.
    report : callable
        Called with the fraction that is done (None while it is unknown) and the current phase.

    Raises
    ------
    ModelError
        When the file cannot be used, or TensorRT cannot build it; the message has TensorRT's
        first error.
    ParameterError
        When an option does not fit the model or this TensorRT.
    """
    name = describe_tensorrt(trt)
    gpu = None if is_rtx(trt) else find_gpu()
    _load_plugins(trt, options.plugins)
    builder = _make_builder(trt)
    require_dla_core(trt, builder.num_DLA_cores, options.dla_core)
    report(None, 'reading the model')
    notes: list[str] = []
    typed = _is_typed(trt, options)
    if typed and options.precision == 'int8' and not has_quantization(path):
        raise _not_quantized(path, name)
    content = _converted(path, options, notes) if typed else _widened(path)
    network, parser = _parse(trt, builder, path, content, typed, notes)
    config = builder.create_builder_config()
    workspace = options.workspace_mib or _default_workspace_mib(gpu)
    plan = Plan(b'', name, gpu.name if gpu else '', network.num_layers, workspace, notes=notes)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace * _MIB)
    profile = _add_profile(builder, network, config, options, size_wh, plan)
    calibrator = None
    if not typed:
        best_shape = _best_shape(network, plan)
        calibrator = _set_flags(trt, config, path, options, calibration, best_shape, plan)
        if calibrator is not None and profile is not None:
            config.set_calibration_profile(profile)
    _set_tuning(trt, config, options, plan)
    if options.dla_core >= 0:
        notes.append(describe_fallback(network, config))
    cache = _set_timing_cache(trt, config, options, notes)
    monitor = _set_monitor(trt, config, report)
    report(None if monitor is None else 0.0, 'building')
    try:
        plan.data = _serialize(builder, network, config, path, workspace)
    finally:
        if calibrator is not None:
            calibrator.close()
    _check_calibration(calibrator, plan)
    if cache:
        _save_timing_cache(config, Path(options.timing_cache))
    # The parser uses its network's memory, so it goes first; both go before the builder.
    del parser, network
    return plan


def _load_plugins(trt: Any, libraries: Sequence[str]) -> None:
    for library in libraries:
        try:
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError as err:
            raise ParameterError(
                f'plugin library {library} cannot be loaded: {err}', 'plugins'
            ) from err
    if hasattr(trt, 'init_libnvinfer_plugins'):
        trt.init_libnvinfer_plugins(process_logger(), '')


def _make_builder(trt: Any) -> tensorrt.Builder:
    with collect_errors() as errors:
        try:
            return trt.Builder(process_logger())
        except TypeError as err:  # "factory function returned nullptr"
            raise ModelError(
                f'{describe_tensorrt(trt)} cannot start a builder: {first_error(errors)}. Does '
                'nvidia-smi or tegrastats show the GPU, and memory free?'
            ) from err


def _is_typed(trt: Any, options: BuildOptions) -> bool:
    if not has_precision_flags(trt):
        return True
    if options.strongly_typed and not creation_flag(trt, 'STRONGLY_TYPED'):
        raise ParameterError(
            f'{describe_tensorrt(trt)} has no strongly typed networks, which came with 9.1; leave '
            'out strongly_typed',
            'strongly_typed',
        )
    return options.strongly_typed


def _converted(path: Path, options: BuildOptions, notes: list[str]) -> bytes | None:
    """The model in the wanted precision, converted if needed; None if the file itself is."""
    if options.precision == 'fp32':
        return _widened(path)
    model = load_model(path)
    widen_weights(model)
    if is_fp16(model):
        return None
    kept = coordinates_in_float(model)
    also = ' and the decoding of boxes' if kept else ''
    notes.append(f'converted to FP16; inputs, outputs{also} stay in FP32')
    content = to_fp16(model).SerializeToString()
    if options.save_onnx:
        write_output(options.save_onnx, content, parameter='save_onnx')
    return content


def _widened(path: Path) -> bytes | None:
    """The model with its weights in FP32 if the file has them in FP16 behind casts; else None.

    TensorRT wants constant weights; whether 8.x and 10.x fold casts of constants is unknown.
    """
    try:
        model = load_model(path)
    except PerceptionError:  # no onnx: the parser gets the file as it is
        return None
    return model.SerializeToString() if widen_weights(model) else None


def _parse(
    trt: Any,
    builder: tensorrt.Builder,
    path: Path,
    content: bytes | None,
    typed: bool,
    notes: list[str],
) -> tuple[tensorrt.INetworkDefinition, tensorrt.OnnxParser]:
    """The network of a model, which is converted first if TensorRT cannot read its opset."""
    flags = creation_flag(trt, 'EXPLICIT_BATCH')
    if typed:
        flags |= creation_flag(trt, 'STRONGLY_TYPED')

    def attempt(content: bytes | None) -> tuple[Any, Any, str]:
        network = builder.create_network(flags)
        parser = trt.OnnxParser(network, process_logger())
        with collect_errors() as errors:
            if content is None:
                parsed = parser.parse_from_file(str(path))
            else:
                parsed = parser.parse(content, str(path))
        problem = '' if parsed else describe_parser_errors(parser, errors)
        if parsed and not network.num_outputs:
            problem = 'it has no outputs; export the model again'
        return network, parser, problem

    network, parser, problem = attempt(content)
    old = not problem and _is_old(path, content)
    if not problem and not old:
        return network, parser
    for mended, note in _mended(path, content, quantized=not old):
        if not mended:
            problem += f'. Besides, {note}' if problem else ''
            continue
        again = attempt(mended)
        if not again[2]:
            notes.append(note)
            return again[0], again[1]
    if problem:
        raise ModelError(f'{path}: {describe_tensorrt(trt)} cannot read the model: {problem}')
    return network, parser


def _model_of(path: Path, content: bytes | None) -> Any:
    return load_model(path) if content is None else require_onnx().load_from_string(content)


def _is_old(path: Path, content: bytes | None) -> bool:
    try:
        return 0 < opset_of(_model_of(path, content)) < _OLDEST_OPSET
    except PerceptionError:  # no onnx: the parser warns about it, too
        return False


def _mended(
    path: Path, content: bytes | None, *, quantized: bool
) -> Iterator[tuple[bytes | None, str]]:
    """A refused model, changed in ways that may help, with a note; or None and why it failed."""
    try:
        model = _model_of(path, content)
    except ModelError:  # not a model: the parser's errors must do
        return
    except PerceptionError as err:
        yield None, f'it may be readable in opset {WANTED_OPSET}, but {err}'
        return
    if quantized and float_weights(model):
        yield model.SerializeToString(), 'quantized weights were written as floats'
    opset, ir_version = opset_of(model), model.ir_version
    if opset in (0, WANTED_OPSET) and ir_version <= WANTED_IR:
        return
    try:
        converted, changes = convert_model(model, WANTED_OPSET, WANTED_IR)
    except ModelError as err:
        yield None, str(err)
    else:
        note = f'converted from opset {opset}, IR version {ir_version}, to opset {WANTED_OPSET}'
        if BY_RULES in changes:
            note += (
                f' ({BY_RULES}; jetson-perception convert {path.name} --opset {WANTED_OPSET} '
                'compares results)'
            )
        yield converted.SerializeToString(), note


_PARSER_HINTS = (
    (
        'plugin not found',
        'TensorRT has no such operator. Export the model without it, or give the '
        'library that has it: --plugin',
    ),
    (
        'failed to open file',
        'its external data is missing; copy it beside the ONNX file, or export into one file',
    ),
    ('failed to import initializer', 'its external data is missing or cut off; copy it again'),
    (
        'zero point',
        'it was quantized in a way that TensorRT does not accept; quantize it with '
        'jetson-perception quantize',
    ),
    (
        'must have type fp8',
        'it was quantized in a way that TensorRT does not accept (biases in '
        'int32); quantize it with jetson-perception quantize',
    ),
    ('input file cannot be found', 'the file is gone, or may not be read'),
    ('model_deserialize_failed', 'the file is damaged or not ONNX; copy or export it again'),
    (
        'unsupported_node',
        'TensorRT does not support this operator, or not with these types; export '
        'the model without it',
    ),
)


_NO_DRIVER = re.compile(r'\[\S*catchCudaError\S*\] .*')


def describe_parser_errors(parser: tensorrt.OnnxParser, logged: Sequence[str]) -> str:
    """The parser's first error, with the node that it is about, and what to do."""
    texts = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        said = ' '.join(str(error).split())
        code = str(error.code()).rsplit('.', maxsplit=1)[-1]
        # Without a driver, each error ends with a message about that.
        desc = _NO_DRIVER.sub('', ' '.join(error.desc().split())).rstrip('. ')
        # The description of an unsupported node is "false".
        text = _node_of(error) + (code if desc in ('', 'false') else f'{code}: {desc}')
        texts.append((text, f'{said} {code}'))
    if not texts:
        texts = [(' '.join(text.split()), text) for text in logged] or [
            ('it does not say why', '')
        ]
    everything = ' '.join(said for _, said in texts).lower()
    hint = next((hint for mark, hint in _PARSER_HINTS if mark in everything), '')
    more = f' (and {len(texts) - 1} more)' if len(texts) > 1 else ''
    return texts[0][0] + more + (f'; {hint}' if hint else '')


def _node_of(error: Any) -> str:
    """'node 'name' (operator): '; 8.x reports only the node's index."""
    if not hasattr(error, 'node_name'):
        return f'node {error.node()}: ' if error.node() >= 0 else ''
    name, operator = error.node_name(), error.node_operator()
    if not name and not operator:
        return ''
    return f"node '{name}' ({operator}): "


def _default_workspace_mib(gpu: Gpu | None) -> int:
    return min(gpu.memory_bytes // (4 * _MIB), 4096) if gpu else 1024


def _add_profile(
    builder: tensorrt.Builder,
    network: tensorrt.INetworkDefinition,
    config: tensorrt.IBuilderConfig,
    options: BuildOptions,
    size_wh: tuple[int, int] | None,
    plan: Plan,
) -> tensorrt.IOptimizationProfile | None:
    """Add a profile with the smallest, best and largest shape of inputs with open dimensions."""
    for index in range(network.num_inputs):
        tensor: Any = network.get_input(index)  # its type stubs lack what Dims can do
        shape = _shape_of(tensor)
        found = _image_shapes(tensor.name, shape, options, size_wh)
        if -1 in shape:
            plan.shapes[tensor.name] = found
    if not plan.shapes:
        return None
    profile: Any = builder.create_optimization_profile()  # accepts tuples as Dims
    with collect_errors() as errors:
        for name, (low, best, high) in plan.shapes.items():
            profile.set_shape(name, low, best, high)
        if config.add_optimization_profile(profile) < 0:
            raise ModelError(f'TensorRT refuses the profile {plan.shapes}: {first_error(errors)}')
    return profile


def _image_shapes(
    name: str, shape: tuple[int, ...], options: BuildOptions, size_wh: tuple[int, int] | None
) -> Shapes:
    is_image = len(shape) == 4 and shape[1] in (-1, 3)
    if not is_image:
        if -1 not in shape:
            return shape, shape, shape
        raise ModelError(
            f"input '{name}' is {list(shape)}, with open dimensions, and is not an image; export "
            'the model with a fixed shape'
        )
    sizes = options.size_wh or ((size_wh,) * 3 if size_wh else ())
    if not sizes and -1 in shape[2:]:
        raise ParameterError(
            f"input '{name}' leaves its size open, and the size that the model was trained at is "
            'unknown; set size_wh',
            'size_wh',
        )
    made = []
    for index in range(3):
        width, height = sizes[index] if sizes else (shape[3], shape[2])
        wanted = (options.batch[index], 3, height, width)
        fixed = tuple(want if size < 0 else size for size, want in zip(shape, wanted, strict=True))
        if options.size_wh and fixed[2:] != wanted[2:]:
            raise ParameterError(
                f"size_wh has {width}x{height}, but input '{name}' is fixed at "
                f'{shape[3]}x{shape[2]}; leave out size_wh, or export the model with open sizes',
                'size_wh',
            )
        if options.batch != (1, 1, 1) and fixed[0] != wanted[0]:
            raise ParameterError(
                f"batch is {list(options.batch)}, but input '{name}' is fixed at {shape[0]}; "
                'leave out batch, or export the model with an open batch size',
                'batch',
            )
        made.append(fixed)
    return made[0], made[1], made[2]


def _shape_of(tensor: tensorrt.ITensor) -> tuple[int, ...]:
    dims = tensor.shape  # not a sequence according to its type stub
    return tuple(int(dims[index]) for index in range(len(dims)))


def _best_shape(network: tensorrt.INetworkDefinition, plan: Plan) -> tuple[int, ...]:
    """The shape of the first input for which the engine is tuned."""
    tensor = network.get_input(0)
    return plan.shapes[tensor.name][1] if tensor.name in plan.shapes else _shape_of(tensor)


def _set_flags(
    trt: Any,
    config: tensorrt.IBuilderConfig,
    path: Path,
    options: BuildOptions,
    calibration: Iterator[NDArray[np.generic]] | None,
    best_shape: tuple[int, ...],
    plan: Plan,
) -> Any:
    """Set the flags for the precision; returns the calibrator, if one is used."""
    if options.precision == 'fp32':
        return None
    wanted = ['FP16']
    quantized = has_quantization(path)
    calibrator = None
    if quantized and options.dla_core >= 0:
        raise ParameterError(
            f'{path} is quantized with Q/DQ nodes, which DLA takes from TensorRT 11 on; give the '
            'model in FP32, and for INT8 build its engine with images to calibrate on '
            '(build-engine --calibration FOLDER)',
            'dla_core',
        )
    if options.precision in ('int8', 'best'):
        if quantized:
            wanted.append('INT8')
        elif calibration is not None and has_calibrator(trt):
            wanted.append('INT8')
            calibrator = make_calibrator(trt, calibration, best_shape)
            config.int8_calibrator = calibrator
        elif options.precision == 'int8':
            raise _not_quantized(path, plan.tensorrt)
    elif quantized:
        # 8.x refuses Q/DQ nodes without the flag.
        wanted.append('INT8')
        plan.notes.append('the model is quantized, so the engine has INT8 layers')
    if options.precision == 'best' and hasattr(trt.BuilderFlag, 'BF16'):
        wanted.append('BF16')
    for flag in wanted:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    plan.flags += wanted
    return calibrator


def _not_quantized(path: Path, tensorrt_name: str) -> ParameterError:
    return ParameterError(
        f'precision is int8, but {path} is not quantized: {tensorrt_name} would have nothing to '
        f'take the ranges from. Make a quantized model: jetson-perception quantize {path.name} '
        '--images FOLDER, or give images to calibrate on (build-engine --calibration FOLDER)',
        'precision',
    )


def _set_tuning(
    trt: Any, config: tensorrt.IBuilderConfig, options: BuildOptions, plan: Plan
) -> None:
    if options.dla_core >= 0:
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = options.dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    for name, attribute in (
        ('optimization_level', 'builder_optimization_level'),
        ('max_aux_streams', 'max_aux_streams'),
    ):
        value = getattr(options, name)
        if value < 0:
            continue
        if hasattr(config, attribute):
            setattr(config, attribute, value)
        else:
            plan.notes.append(f'{plan.tensorrt} has no {name}, which came with 8.6; it is ignored')


def _set_timing_cache(
    trt: Any, config: tensorrt.IBuilderConfig, options: BuildOptions, notes: list[str]
) -> bool:
    """Load the timing cache; returns whether one is in use.

    A cache from another device or version is replaced by an empty one.
    """
    if not options.timing_cache or is_rtx(trt):  # TensorRT-RTX times nothing while it builds
        return False
    path = Path(options.timing_cache)
    content = b''
    if os.path.lexists(path):
        content = read_foreign_file(
            path,
            what='timing_cache',
            error=lambda text: ParameterError(text, 'timing_cache'),
            limit_bytes=_LARGEST_TIMING_CACHE,
        )
    with collect_errors() as errors:
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return True
        if content:
            notes.append(
                f'the timing cache {path} is damaged, or from another GPU or TensorRT; starting '
                f'with an empty one ({first_error(errors)})'
            )
        cache = config.create_timing_cache(b'')
        return cache is not None and bool(config.set_timing_cache(cache, False))


def _save_timing_cache(config: tensorrt.IBuilderConfig, path: Path) -> None:
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path.resolve(), memoryview(cache.serialize()), mode=0o600)
    except OSError as err:
        _log.warning('the timing cache %s cannot be written: %s', path, err)


def _set_monitor(
    trt: Any,
    config: tensorrt.IBuilderConfig,
    report: Callable[[float | None, str], None],
) -> Any:
    if not hasattr(trt, 'IProgressMonitor'):
        return None
    monitor = make_monitor(trt, BuildProgress(report))
    config.progress_monitor = monitor
    return monitor  # TensorRT keeps no reference that Python sees


_BUILD_HINTS = (
    ('outofmemory', 'memory'),
    ('out of memory', 'memory'),
    ('insufficient memory', 'memory'),
    ('could not be allocated', 'memory'),
    ('could not find any implementation', 'workspace'),
    ('within workspace limit', 'workspace'),
)


def _serialize(
    builder: tensorrt.Builder,
    network: tensorrt.INetworkDefinition,
    config: tensorrt.IBuilderConfig,
    path: Path,
    workspace_mib: int,
) -> Any:
    with collect_errors() as errors:
        data = builder.build_serialized_network(network, config)
    if data is not None:
        return data
    everything = ' '.join(errors).lower()
    hint = next((hint for mark, hint in _BUILD_HINTS if mark in everything), '')
    way_out = {
        '': '',
        'memory': '. Memory ran out: close other programs, add swap, build at a smaller size, '
        f'or change the workspace limit (now {workspace_mib} MiB)',
        'workspace': f'. Allow more workspace (now {workspace_mib} MiB); if that does not help, '
        'this GPU has no kernel for that layer in this precision',
    }[hint]
    raise ModelError(
        f'{path}: TensorRT could not build the engine: {first_error(errors)}{way_out}'
    )


def _check_calibration(calibrator: Any, plan: Plan) -> None:
    if calibrator is None:
        return
    if calibrator.problem is not None:
        raise ModelError(f'calibration failed: {calibrator.problem}') from calibrator.problem
    if not calibrator.count:
        raise ParameterError('calibration had no images, or fewer than one batch', 'calibration')
    plan.notes.append(f'INT8 ranges were measured on {counted(calibrator.count, "image")}')
