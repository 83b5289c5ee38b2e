#!/usr/bin/env python3
"""Hold what `engines/tensorrt` uses and expects of TensorRT's runtime against an installed one.

    pip install --no-deps tensorrt-lean-cu13-bindings tensorrt-lean-cu13-libs
    python tools/check_tensorrt.py
    python tools/check_tensorrt.py --module tensorrt_rtx_bindings --plan other.engine

The lean runtime is TensorRT without its builder. Checked on any machine are names, and whether
our calls fit the signatures that the module's docstrings give. Where there is a GPU, files that
are no engines are loaded too, each in a process of its own: TensorRT has to return None, log an
error, and not crash. `--plan` adds a file that this TensorRT has to refuse, such as one of
TensorRT-RTX. Exits with 1 if a claim is false, with 2 if there is no such module.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

from tensorrt_calls import Call, calls_of, signatures  # noqa: E402

from jetson_perception.engines.tensorrt.api import find_gpu  # noqa: E402
from jetson_perception.engines.tensorrt.loading import explain  # noqa: E402
from jetson_perception.errors import ModelError  # noqa: E402

MODULES = ('tensorrt', 'tensorrt_lean_bindings', 'tensorrt_lean', 'tensorrt_rtx_bindings')

#: What the runtime's half of engines/tensorrt uses, in every version from 8.5 on.
USED = {
    'ILogger': ('log',),
    'Runtime': ('deserialize_cuda_engine', 'DLA_core', 'num_DLA_cores'),
    'ICudaEngine': (
        'num_io_tensors',
        'num_optimization_profiles',
        'get_tensor_name',
        'get_tensor_mode',
        'get_tensor_shape',
        'get_tensor_dtype',
        'get_tensor_format',
        'get_tensor_location',
        'get_tensor_profile_shape',
        'create_execution_context',
    ),
    'IExecutionContext': (
        'active_optimization_profile',
        'set_optimization_profile_async',
        'set_input_shape',
        'set_tensor_address',
        'get_tensor_shape',
        'infer_shapes',
        'execute_async_v3',
    ),
    'DataType': ('FLOAT', 'HALF', 'INT8', 'INT32', 'BOOL', 'UINT8'),
    'TensorIOMode': ('INPUT', 'OUTPUT'),
    'TensorLocation': ('DEVICE', 'HOST'),
    'TensorFormat': ('LINEAR',),
}

#: What the lean runtime lacks, as there only the builder's half has it.
NOT_IN_LEAN = ('TensorFormat.LINEAR',)

#: Content that no TensorRT may load. The third begins as a plan does, and is cut off.
DAMAGED = {
    'empty': b'',
    'four bytes': b'ftrt',
    'a plan cut off in its header': b'ftrt' + bytes(4) + (1 << 20).to_bytes(8, 'little'),
    'zeros': bytes(4096),
    'other bytes': bytes(range(256)) * 64,
}

_LIMIT_S = 60


def main() -> int:
    """Check everything that can be checked here. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--module', help=f'default: the first there is of {", ".join(MODULES)}')
    parser.add_argument('--plan', type=Path, nargs='+', default=[], metavar='FILE')
    parser.add_argument('--load', metavar='NAME', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    trt = find_module(arguments.module)
    if trt is None:
        print(f'there is no module {arguments.module or " or ".join(MODULES)} that can be used')
        return 2
    if arguments.load:
        return load(trt, sys.stdin.buffer.read())
    print(f'{trt.__name__} {trt.__version__}')
    missing, refused = missing_names(trt), refused_calls(trt)
    count = sum(map(len, USED.values()))
    print(f'names: {len(missing)} of {count} are missing', *missing, sep='\n  missing: ')
    print(
        f'calls: {len(refused)} of {len(our_calls())} do not fit',
        *refused,
        sep='\n  does not fit: ',
    )
    if 'lean' in trt.__name__:
        print(f'  not in the lean runtime, so not checked: {", ".join(NOT_IN_LEAN)}')
    try:
        print(f'GPU: {find_gpu().name}')
    except ModelError as err:
        print(f'loading: not checked, as {err}')
        return 1 if missing or refused else 0
    contents = DAMAGED | {str(file): file.read_bytes() for file in arguments.plan}
    wrong = [name for name, content in contents.items() if not check(trt, name, content)]
    return 1 if missing or refused or wrong else 0


def find_module(name: str | None) -> Any:
    """The module of this name, or the first there is of `MODULES`; None if there is none."""
    for each in (name,) if name else MODULES:
        try:
            module = importlib.import_module(each)
        except (ImportError, OSError, AttributeError, RuntimeError) as err:
            print(f'  {each}: {err}', file=sys.stderr)
            continue
        if hasattr(module, 'Runtime'):
            return module
    return None


def missing_names(trt: Any) -> list[str]:
    """What a module lacks of `USED`, such as 'ICudaEngine.num_io_tensors'."""
    known = {'ILogger.log', *(NOT_IN_LEAN if 'lean' in trt.__name__ else ())}
    return [
        f'{kind}.{name}'
        for kind, names in USED.items()
        for name in names
        if not hasattr(getattr(trt, kind, None), name) and f'{kind}.{name}' not in known
    ]


def our_calls() -> list[Call]:
    """Of classes and methods of `USED`; `log` is ours, which TensorRT calls."""
    return [call for call in calls_of(USED) if call.name != 'log']


def refused_calls(trt: Any) -> list[str]:
    """Calls of `engines/tensorrt` that a module's own signatures do not take, with their places.

    Classes are called too, as `trt.Runtime(logger)`.
    """
    refused = []
    for call in our_calls():
        owners = (trt,) if call.name in USED else map(trt.__dict__.get, USED)
        found = [getattr(owner, call.name) for owner in owners if hasattr(owner, call.name)]
        texts = [
            each.__dict__['__init__'].__doc__ if isinstance(each, type) else each.__doc__
            for each in found
        ]
        taken = [takes for text in texts for takes in signatures(text or '')]
        if found and not any(each.fits(call) for each in taken):
            refused.append(f'{call}; there is {" or ".join(map(str, taken)) or "no signature"}')
    return refused


def check(trt: Any, name: str, content: bytes) -> bool:
    """Whether a file is refused with an error, and without a crash; prints what happened."""
    command = [sys.executable, __file__, '--module', trt.__name__, '--load', name]
    try:
        ran = subprocess.run(command, input=content, capture_output=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        print(f'  WRONG {name}: no answer in {_LIMIT_S} s')
        return False
    if ran.returncode:
        last = ran.stderr.decode(errors='replace').strip().splitlines()[-1:]
        print(f'  WRONG {name}: the process ended with {ran.returncode} {last}')
        return False
    found = json.loads(ran.stdout.splitlines()[-1])
    errors = [text for severity, text in found['log'] if severity <= 1]
    good = found['returned'] == 'NoneType' and bool(errors)
    print(f'  {"ok   " if good else "WRONG"} {name}: returned {found["returned"]}')
    for severity, text in found['log']:
        print(f'        {severity}: {" ".join(text.split())}')
    if errors:
        error = explain(errors, 'it cannot be loaded')
        print(f'        our error: {type(error).__name__}: {error}')
    return good


def load(trt: Any, content: bytes) -> int:
    """Load content in this process; prints what came back and was logged, as JSON."""
    logged: list[tuple[int, str]] = []

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            logged.append((int(severity), msg))

    runtime = trt.Runtime(Logger())
    engine = runtime.deserialize_cuda_engine(content)
    print(json.dumps({'returned': type(engine).__name__, 'log': logged}), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
