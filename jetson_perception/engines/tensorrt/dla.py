"""Deep learning accelerators (DLA): whether there is one, and which layers it leaves to the GPU.

No DLA has run an engine of this package yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.engines.tensorrt.api import describe_tensorrt
from jetson_perception.errors import ParameterError
from jetson_perception.printable import counted, listed, quoted

if TYPE_CHECKING:
    import tensorrt

_MOST_NAMES = 100  # in one line of the log


def require_dla_core(trt: Any, cores: int, dla_core: int) -> None:
    """Raise ParameterError where there is no such DLA core.

    Parameters
    ----------
    trt : module
        TensorRT.
    cores : int
        How many it finds: `num_DLA_cores` of its builder or runtime.
    dla_core : int
        The one that is asked for; -1, for the GPU, always is there.
    """
    if dla_core < 0:
        return
    if not cores:
        raise ParameterError(
            f'{describe_tensorrt(trt)} finds no DLA core on this machine. AGX Orin and Orin NX '
            'have them, with TensorRT to 10.7 and from 11.4.1 on; elsewhere, leave out dla_core',
            'dla_core',
        )
    if dla_core >= cores:
        raise ParameterError(
            f'dla_core is {dla_core}; this machine has {cores}, numbered from 0', 'dla_core'
        )


def describe_fallback(
    network: tensorrt.INetworkDefinition, config: tensorrt.IBuilderConfig
) -> str:
    """Which layers do not run on the DLA that an engine is built for, as one line.

    Call it when everything else is set in `config`: the answer depends on the precision.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    names = [quoted(layer.name) for layer in layers if not config.can_run_on_DLA(layer)]
    if not names:
        return 'all layers can run on the DLA core'
    return (
        f'{len(names)} of {counted(len(layers), "layer")} cannot run on the DLA core, so they '
        f'run on the GPU: {listed(names, _MOST_NAMES)}'
    )
