"""The kinds of sources that there are: one line each.

To add one, write a class with the protocol of `camera.source.FrameSource` in a module of this
folder, and add its line to `SCHEMES`.
"""

from __future__ import annotations

from dataclasses import dataclass

_FRAMES = ('size_wh', 'frame_rate', 'max_image_pixels')


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of source.

    Attributes
    ----------
    example : str
        A URI, shown in errors.
    module, class_name : str
        The class in this folder that makes the source. The module is imported on demand: a file
        needs no GStreamer.
    settings : tuple of str
        The keyword arguments of `open_source` that the class takes, and `every_frame`, which is
        true unless the pace is live.
    reads_offline : bool
        Whether frames can be read faster than they are due.
    """

    example: str
    module: str
    class_name: str
    settings: tuple[str, ...]
    reads_offline: bool = False


SCHEMES = {
    'csi': Scheme('csi://0', 'gst', 'CsiSource', ('size_wh', 'frame_rate', 'native')),
    'v4l2': Scheme(
        'v4l2:///dev/video0', 'v4l2', 'V4l2Source', (*_FRAMES, 'pixel_format', 'native')
    ),
    'rtsp': Scheme(
        'rtsp://user:password@192.168.1.10:554/stream',
        'rtsp',
        'RtspSource',
        (*_FRAMES, 'native', 'video_decoder'),
    ),
    'file': Scheme(
        'file:///home/me/drive.mp4',
        'file',
        'FileSource',
        (*_FRAMES, 'loop', 'native', 'video_decoder'),
        True,
    ),
    'images': Scheme(
        'images:///home/me/pictures', 'images', 'ImagesSource', (*_FRAMES, 'loop'), True
    ),
    'bag': Scheme(
        'bag:///home/me/drive?topic=/camera/image_raw',
        'bag',
        'BagSource',
        (*_FRAMES, 'loop'),
        True,
    ),
    'gst': Scheme(
        'gst://videotestsrc ! video/x-raw,width=640,height=480',
        'gst',
        'GstSource',
        (*_FRAMES, 'every_frame', 'native'),
        True,
    ),
    'scene': Scheme('scene://oranges', 'scene', 'SceneSource', (*_FRAMES, 'pace')),
}
"""Every kind of source, by the scheme of its URI."""
