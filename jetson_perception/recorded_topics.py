"""Which topics `record` takes: one regular expression, for ros2 bag and for our recorder.

Both look for it in full names of topics.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPRESSED, RAW, NONE = RECORDED_IMAGES = ('compressed', 'raw', 'none')
"""What may be recorded of the images."""

_RESULTS = (
    'annotations',
    'camera_info',
    'classification',
    'depth',
    'depth/relative',
    'detections',
    'detections_3d',
    'instances',
    'keypoints',
    'keypoints_3d',
    'label_info',
    'mask',
    'stats',
    'summary',
)
"""Last words of topics with what nodes find. Pictures for people can be drawn from these anew.

`annotations` are what Foxglove draws them from, which cannot do so from the others.
"""

_BELOW = '(?:(?!ground_truth/)[^/]+/)*'
"""Engines and cameras; the truth of a rendered scene can be rendered anew."""

_OF_THE_ROBOT = ('/tf', '/tf_static', '/diagnostics')


def recorded_topics(
    namespaces: Iterable[str], images: Iterable[str] = (), record_images: str = COMPRESSED
) -> str:
    """The expression for what nodes publish, and for images that they take from others.

    Parameters
    ----------
    namespaces : iterable of str
        Of the nodes and of their cameras; what is below counts too.
    images : iterable of str
        Full names of the image topics of others, raw or compressed. The camera_info beside each is
        recorded too.
    record_images : str
        One of `RECORDED_IMAGES`. A topic of others that is compressed is taken as it is.

    Returns
    -------
    str
        In the syntax that Python and ECMAScript share.
    """
    own = [*_RESULTS, *_endings('image_raw', record_images)]
    found = [re.escape(each) for each in _OF_THE_ROBOT]
    for namespace in dict.fromkeys(namespaces):
        begin = '/' + ''.join(f'{re.escape(part)}/' for part in namespace.split('/') if part)
        found.append(f'{begin}{_BELOW}(?:{"|".join(own)})')
    for image in dict.fromkeys(images):
        plain = image.removesuffix('/compressed')
        endings = _endings(re.escape(plain), COMPRESSED if plain != image else record_images)
        if record_images != NONE:
            found += endings
        found.append(re.escape(f'{plain.rpartition("/")[0]}/camera_info'))
    return f'^(?:{"|".join(found)})$'


def _endings(image: str, record_images: str) -> list[str]:
    return {COMPRESSED: [f'{image}/compressed'], RAW: [image]}.get(record_images, [])
