"""docs/topics.md: the topics and services of each node, as the nodes make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetson_perception.ros import qos
from reference.graph import graphs, qos_text
from reference.messages import OWN, anchor
from reference.writing import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.graph import Endpoint, NodeGraph

#: What each topic holds. What a node has and this lacks is an error, and so is the opposite.
PUBLISHED = {
    'annotated': 'The image, bgr8, with the results of all engines drawn in, while somebody '
    'subscribes. Of several engines it shows the images that all took; after 2 s without such an '
    'image, and sooner where they hardly ever come, one with what there is of it.',
    'annotated/compressed': 'The same as JPEG; the newest image, so a slow link skips some.',
    '/diagnostics': 'Once a second, in every state: node, input, engines, camera '
    '([diagnostics](diagnostics.md)).',
    'mask': 'mono8, class id of each pixel, at the size of the image.',
    'confidence': 'mono8: how likely the class of each pixel is, 255 for certain, while somebody '
    'subscribes ([masks for navigation](navigation.md)).',
    'mask/color': 'The mask in colors, bgr8, while somebody subscribes.',
    'summary': 'Pixels of each class, and their share.',
    'label_info': 'Names of the class ids in `mask`.',
    'stats': 'Once a second: runtime, input, rate, what became of the frames, latency of each '
    'stage.',
    '<engine>/detections': 'Objects, the best first; models that find boxes. `class_id` holds the '
    'name of the class, `id` the identity of a tracked object, `bbox.center.theta` the angle of '
    'an oriented box.',
    '<engine>/keypoints': 'Pose models: the same objects, each with every keypoint and its score.',
    '<engine>/instances': 'Models with instance masks: which object a pixel belongs to, as its '
    'index in `detections` plus 1, 0 for none; mono8, or 16UC1 beyond 255 objects.',
    '<engine>/detections_3d': 'With `depth.image_topics`: where the objects are, in metres '
    '([objects in space](depth.md)).',
    '<engine>/keypoints_3d': 'The same of keypoints, for pose models.',
    '<engine>/classification': 'Classifiers: the best classes with their scores, the best first.',
    '<engine>/depth': 'Depth models that are said to give metres: 32FC1, metres of each pixel, '
    'NaN for none ([which these are](models.md#depth-from-one-image-outputs)).',
    '<engine>/depth/color': 'Depth in colors, bgr8, while somebody subscribes.',
    '<engine>/depth/relative': 'Other depth models: 32FC1, values without a unit.',
    '<engine>/depth/relative/color': 'Those in colors, bgr8, while somebody subscribes.',
    '<engine>/label_info': 'Names of the classes, and the score threshold.',
    '<engine>/stats': 'As `stats`, of one engine.',
    'image_raw': 'Images, bgr8 unless `encoding` is `native`, while somebody subscribes.',
    'image_raw/compressed': 'The same as JPEG, while somebody subscribes; the newest image, so a '
    'slow encoder or link skips some.',
    'camera_info': 'Calibration, one for each image.',
    'ground_truth/label_info': 'Of a `scene://`: names of the class ids in `ground_truth/mask`.',
    'image/done': 'With `every_frame`: that this node is done with an image. It is beside the '
    'image topic, `/camera/image_raw/done`.',
}
#: What camera_node publishes from the first frame on that has it (`ros.ground_truth`).
TRUTH = (
    ('ground_truth/mask', 'sensor_msgs/Image', 'Of a `scene://`: the true class of each pixel.'),
    (
        'ground_truth/detections',
        'vision_msgs/Detection2DArray',
        'Of a `scene://`: the true objects.',
    ),
    (
        'ground_truth/keypoints',
        'jetson_perception/KeypointDetection2DArray',
        'Of a `scene://`: those with keypoints.',
    ),
)
#: What yolo_node publishes where the package of the messages is installed.
WITH_PACKAGE = (
    (
        '<engine>/annotations',
        'foxglove_msgs/ImageAnnotations',
        'Where `foxglove_msgs` is installed, while somebody subscribes: boxes, labels and '
        'keypoints, for [Foxglove](recording.md#foxglove-and-rviz2) to draw over the image.',
    ),
)
#: What each subscription is for.
SUBSCRIBED = {
    'image': 'Images in any [encoding](#encodings). The newest wins.',
    'image_raw/done': 'With `every_frame`: who is done with which image.',
}
SERVICES = {
    '~/retry': 'Configures or opens again what failed, and activates.',
    '~/enable': 'Has the engine take images, or none.',
    '~/reload': 'Opens the model of the engine anew; the one before serves until then '
    '([services](services.md)).',
    '~/set_model': 'Opens another file, where `allow_source_changes` is set.',
    '~/<engine>/enable': 'Has the engine take images, or none.',
    '~/<engine>/set_classes': 'Has the engine publish only these classes.',
    '~/<engine>/reload': 'Opens the model of the engine anew; the one before serves until then '
    '([services](services.md)).',
    '~/<engine>/set_model': 'Opens another file, where `allow_source_changes` is set.',
    '~/trace': 'What happens to frames, for [`jetson-perception trace`](tracing.md).',
    'set_camera_info': 'Writes a calibration to the file `calibration_output`, which only the '
    'start sets; without one it refuses.',
}
_NODES = {
    'seg_node': ('seg', 'semantic segmentation.'),
    'yolo_node': (
        'yolo',
        'any number of engines, each with topics of its own. `<engine>` is its name in `engines`, '
        '`det` by default.',
    ),
    'camera_node': (
        'camera',
        'beside another node that a launch file starts it with, `/seg/camera` or `/yolo/camera`. '
        'seg_node and yolo_node have the same topics below `camera/` where they read a `source` '
        'themselves.',
    ),
}
_HEAD = """\
# Topics and services

Every topic and service, its type and its QoS, found by `tools/generate_reference.py` in nodes that
it starts. Names are relative to the node's namespace. With [several cameras](several_cameras.md),
the topics of each camera are in the namespace of its images.

*keeps 5* is the depth of the queue; *latched* reaches late subscribers too (transient local).
Whatever is reliable also matches a best-effort subscriber. Parameters set the QoS of each topic:
`qos_overrides./seg/mask.publisher.reliability: best_effort` (or `depth`, `history`, `durability`).

Every result has the header of its image, unchanged. A result is published for each image that was
taken, also where nothing was found. [Use the results](results.md) shows subscribers in Python and
C++, and what the fields of each type hold.
"""
_ENCODINGS = """\
## Encodings

Images may be bgr8, rgb8, bgra8, rgba8, mono8, yuv422_yuy2, uyvy, nv12 or bayer_*8. 8UC1, 8UC3 and
8UC4 are read as mono8, bgr8 and bgra8, which the log says once. mono16 and 16UC1, the formats of
thermal cameras, need `intensity_range`. rgb16, bgra16, bayer_*16 and similar formats go through
cv_bridge where it works.
"""


def page() -> str:
    """The page; starts nodes, which takes seconds.

    Raises
    ------
    RuntimeError
        When a node has a topic or service that is not described here, or lacks one that is.
    """
    found = graphs()
    _compare(found)
    found['yolo_node'].publishers.extend(
        each for each in found['relative'].publishers if '/relative' in each.name
    )
    lines = [_HEAD]
    for node, (namespace, what) in _NODES.items():
        lines += [f'## {node}', '', f'In `/{namespace}`: {what}', '']
        lines += _topics(node, found)
        lines += ['', *_services(found[node])]
        lines.append('')
    lines += ['## With every_frame', '', *_every_frame(found), '']
    return '\n'.join(lines) + '\n' + _ENCODINGS


def _topics(node: str, found: dict[str, NodeGraph]) -> list[str]:
    rows = []
    for each in _once(found[node].publishers):
        if each.name in PUBLISHED:
            rows.append([f'`{each.name}`', _linked(each.type), each.qos, PUBLISHED[each.name]])
    more = {'camera_node': TRUTH, 'yolo_node': WITH_PACKAGE}.get(node, ())
    rows += [
        [f'`{name}`', _linked(kind), qos_text(qos.RESULTS), text] for name, kind, text in more
    ]
    lines = ['It publishes:', '', *table(['topic', 'type', 'QoS', ''], rows)]
    taken = list(_subscriptions(found[node]))
    if taken:
        lines += ['', 'It subscribes to:', '', *table(['topic', 'type', 'QoS', ''], taken)]
    return lines


def _subscriptions(graph: NodeGraph) -> Iterator[list[str]]:
    for each in _once(graph.subscriptions):
        text = SUBSCRIBED[each.name]
        reliable = f'{each.qos}; reliable where all publishers are (`reliability`)'
        yield [f'`{each.name}`', _linked(each.type), reliable, text]
        if each.name == 'image':
            for transport, kind, profile in (
                ('compressed', 'sensor_msgs/CompressedImage', qos.COMPRESSED_INPUT),
                ('ffmpeg', 'ffmpeg_image_transport_msgs/FFMPEGPacket', qos.VIDEO_INPUT),
                ('foxglove', 'foxglove_msgs/CompressedVideo', qos.VIDEO_INPUT),
            ):
                text = f'Instead, with `image_transport: {transport}`.'
                if transport != 'compressed':
                    text += ' See [video topics](troubleshooting.md#video-topics).'
                yield [f'`image/{transport}`', kind, f'{qos_text(profile)}; likewise', text]


def _services(graph: NodeGraph) -> list[str]:
    rows = [
        [f'`{each.name}`', _linked(each.type), SERVICES[each.name]]
        for each in _once(graph.services)
    ]
    own = "It offers ROS's services of a lifecycle node and its parameters, and:"
    return [own, '', *table(['service', 'type', ''], rows)]


def _every_frame(found: dict[str, NodeGraph]) -> list[str]:
    """What is different with every_frame, in both kinds of nodes."""
    rows = []
    for node, plain, other in (
        ('seg_node, yolo_node', 'yolo_node', 'every_frame'),
        ('camera_node', 'camera_node', 'camera, every_frame'),
    ):
        for end in ('publishers', 'subscriptions'):
            before = {each.name: each for each in getattr(found[plain], end)}
            for each in _once(getattr(found[other], end)):
                if each != before.get(each.name):
                    way = 'out' if end == 'publishers' else 'in'
                    rows.append([node, way, f'`{each.name}`', _linked(each.type), each.qos])
    return [
        'No image is lost: the camera waits ([lockstep](architecture.md#lockstep)). What differs:',
        '',
        *table(['node', '', 'topic', 'type', 'QoS'], rows),
    ]


def _compare(found: dict[str, NodeGraph]) -> None:
    """Raise an error unless exactly what nodes have is described."""
    for end, described in (
        ('publishers', PUBLISHED),
        ('subscriptions', SUBSCRIBED),
        ('services', SERVICES),
    ):
        there = {each.name for graph in found.values() for each in getattr(graph, end)}
        there -= {name for name, _, _ in WITH_PACKAGE}
        for name in sorted(there ^ described.keys()):
            what = 'is not described in' if name in there else 'is described, but no node has it:'
            raise RuntimeError(f'{name} ({end}) {what} tools/reference/topics.py')


def _once(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Each name once, in the order in which they come."""
    return list({each.name: each for each in endpoints}.values())


def _linked(kind: str) -> str:
    """A type, linked to its description if it is ours."""
    package, _, name = kind.partition('/')
    return f'[{kind}](messages.md#{anchor(name)})' if package == OWN else kind
