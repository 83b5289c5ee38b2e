"""Messages of video topics as packets. Their fields stay behind this one module."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from jetson_perception.errors import ImageError
from jetson_perception.images.video_stream import VideoPacket, codec_of

#: The most bytes a pixel that a packet may have: those of the picture.
_MOST_BYTES_A_PIXEL = 3


def video_header(msg: Any) -> Header:
    """When and by which camera a picture was taken.

    Parameters
    ----------
    msg : FFMPEGPacket or CompressedVideo
        The latter, of Foxglove, has no header but what belongs into one.
    """
    if hasattr(msg, 'header'):
        header: Header = msg.header
        return header
    return Header(stamp=msg.timestamp, frame_id=msg.frame_id)


def video_packet(msg: Any, max_image_pixels: int) -> VideoPacket:
    """The packet in a message.

    Raises
    ------
    ImageError
        When it is empty, of another codec, or larger than a picture of so many pixels.
    """
    # 'libx264;yuv420p;bgr8;bgr8' of FFMPEGPacket, 'h264' of CompressedVideo.
    named = str(msg.encoding).partition(';')[0] if hasattr(msg, 'encoding') else str(msg.format)
    size = len(msg.data)
    if not size:
        raise ImageError('packet of video has no data; check that its sender encodes images')
    if size > _MOST_BYTES_A_PIXEL * max_image_pixels:
        raise ImageError(
            f'packet of video has {size} bytes, more than a picture of max_image_pixels '
            f'({max_image_pixels}) takes without compression'
        )
    return VideoPacket(bytes(memoryview(msg.data)), codec_of(named))
