"""seg_node on a stand-in for a driver that hangs: a call of it never returns.

The first argument says which: `open`, `bind` (a first run), `infer` (of a bright image), `draw`.
"""

import os
import sys

from jetson_perception.process.executable import run_node_module

where = sys.argv.pop(1)


def hang():
    """Wait where Python has no say, as in a driver: without the interpreter's lock."""
    os.read(os.pipe()[0], 1)


def install():
    from jetson_perception.engines.onnxruntime.cpu import OnnxRuntimeEngine
    from jetson_perception.models import segmentation
    from jetson_perception.ros import task_models

    if where == 'open':
        task_models.open_model = lambda *args, **options: hang()
    elif where == 'bind':
        OnnxRuntimeEngine.bind_thread = lambda self: hang()
    elif where == 'infer':
        infer = OnnxRuntimeEngine.infer
        OnnxRuntimeEngine.infer = lambda self, tensor: (
            hang() if tensor.max() > 0.5 else infer(self, tensor)
        )
    else:
        segmentation.draw_legend = lambda *args: hang()


run_node_module('jetson_perception.nodes.seg_node', prepare=install)
