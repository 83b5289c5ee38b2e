"""What a model says of itself: in the metadata of its ONNX file, or in a YAML file beside it.

The YAML file has the model's name (`my.onnx` and `my.yaml`) and the keys of `ModelInfo`; it wins
over the ONNX metadata, and a node's parameters win over both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model before it runs; an empty value means that nothing says it.

    Attributes
    ----------
    path : str
        The model file.
    task : str
        'detect', 'pose', 'segment' (instances) or 'semantic'.
    class_names : tuple of str
        Name of class i at index i.
    input_size_wh : tuple of int or None
        Width and height of the network's input, pixels.
    stride : int
        The input's sides are multiples of it; 0 if unknown.
    keypoint_shape : tuple of int or None
        Keypoints an object, and values a keypoint: 2 (x, y) or 3 (x, y, score).
    keypoint_names : tuple of str
        Name of each keypoint.
    skeleton : tuple of (int, int)
        Pairs of keypoint indices, from 0, that a drawing joins.
    layout : str
        Of YOLO outputs: 'objectness' (v5, v7), 'anchor_free' (v8, 11, 12), 'end_to_end' (v10, 26).
    output : str
        Of semantic segmentation: 'logits', 'probabilities' or 'class_ids'.
    resize : str
        How images are fitted: 'letterbox', 'letterbox_top_left' or 'stretch'.
    color_order : str
        'rgb' or 'bgr', as the network was trained.
    scale : float or None
        Pixel values are multiplied by it before mean and std; None for the default, 1/255.
    mean, std : tuple of three floats
        Per channel in the network's colour order: (value × scale - mean) / std.
    """

    path: str = ''
    task: str = ''
    class_names: tuple[str, ...] = ()
    input_size_wh: tuple[int, int] | None = None
    stride: int = 0
    keypoint_shape: tuple[int, int] | None = None
    keypoint_names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    layout: str = ''
    output: str = ''
    resize: str = ''
    color_order: str = ''
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
