"""Parameters of the depth images beside the images of a node."""

from __future__ import annotations

from dataclasses import dataclass

from jetson_perception.ros.parameters import param


@dataclass(frozen=True)
class DepthParams:
    """Parameters of results in space, under the prefix depth."""

    image_topics: tuple[str, ...] = param(
        (),
        'Depth images that are registered to the images, one topic for each camera in their '
        'order: 16UC1 in millimetres or 32FC1 in metres, raw or compressedDepth. Objects are then '
        'published in space on <engine>/detections_3d and <engine>/keypoints_3d. Without it '
        'nothing is, and nothing is subscribed to.',
        at_configure=True,
        example='[/camera/aligned_depth_to_color/image_raw]',
    )
    camera_info_topics: tuple[str, ...] = param(
        (),
        'Calibrations of the images, sensor_msgs/CameraInfo, one topic for each camera; by '
        'default camera_info in the namespace of the image topic.',
        at_configure=True,
        example='[/camera/color/camera_info]',
    )
    rectified: bool = param(
        False,
        'Whether the images are rectified, as image_rect is: then P of camera_info counts, and '
        'its distortion does not.',
        at_configure=True,
    )
    tolerance_ms: float = param(
        20.0,
        'How far apart the stamps of an image and its depth image may be where none are equal.',
        between=(0.0, 1000.0),
    )
    target_frame: str = param(
        '',
        "Frame of tf that objects in space are published in; empty for that of the image's "
        'header, the optical frame of its camera. Needs tf2_ros.',
        at_configure=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        images, infos = len(self.image_topics), len(self.camera_info_topics)
        if infos and images and images != infos:
            return (
                f'depth.image_topics has {images} topics and depth.camera_info_topics {infos}; '
                'give one for each camera, or leave depth.camera_info_topics empty'
            )
        return ''
