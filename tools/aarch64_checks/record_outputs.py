#!/usr/bin/env python3
"""Write the input tensors and the network outputs of models on pictures to a file (.npz).

    python tools/aarch64_checks/record_outputs.py --pictures DIR --to here.npz MODEL.onnx …

check_aarch64.py runs this on both machines. `--tensors FILE`, written by the other machine, runs
the networks on that machine's tensors, so that outputs can be compared apart from preprocessing.
"""

from __future__ import annotations

import argparse
import platform
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from jetson_perception.models import open_model  # noqa: E402


def main() -> int:
    """Run the models. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', nargs='+', type=Path, metavar='MODEL')
    parser.add_argument('--pictures', type=Path, required=True, metavar='DIR')
    parser.add_argument('--to', type=Path, required=True, metavar='FILE')
    parser.add_argument('--tensors', type=Path, metavar='FILE')
    arguments = parser.parse_args()
    given = dict(np.load(arguments.tensors)) if arguments.tensors else {}
    arrays = {}
    for path in arguments.models:
        with closing(open_model(str(path), runtime='onnxruntime_cpu')) as model:
            for picture in sorted(arguments.pictures.iterdir()):
                name = f'{path.stem}/{picture.stem}'
                tensor = given.get(f'{name}/tensor')
                if tensor is None:
                    tensor, _ = model.preprocess(picture)
                    arrays[f'{name}/tensor'] = tensor.copy()
                for number, output in enumerate(model.infer(tensor)):
                    arrays[f'{name}/output{number}'] = output.copy()
            print(f'{path.name} on {platform.machine()}: {model.engine.description}', flush=True)
    np.savez(arguments.to, **arrays)
    return 0


if __name__ == '__main__':
    sys.exit(main())
