"""An image topic as an input: its subscription, its frames, and why none comes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from jetson_perception.errors import ImageError
from jetson_perception.images.encodings import UNNAMED
from jetson_perception.images.picture_header import MAX_IMAGE_PIXELS, MOST_IMAGE_PIXELS
from jetson_perception.images.plain_jpeg import JPEG_DECODERS
from jetson_perception.images.sixteen_bit import range_problem
from jetson_perception.printable import printable
from jetson_perception.ros.camera_topics import CameraTopicsParams
from jetson_perception.ros.cv_bridge_images import CvBridgeImages
from jetson_perception.ros.image_messages import (
    MOST_FRAME_ID_CHARACTERS,
    age_of,
    check_frame_id,
    frame_from_compressed,
    frame_from_image,
    stamp_ns,
)
from jetson_perception.ros.image_subscription import ImageSubscription
from jetson_perception.ros.image_taker import TakenImage
from jetson_perception.ros.image_topic import (
    FORMS,
    ImageTopic,
    image_topic,
    require_takeable,
)
from jetson_perception.ros.input_report import input_status
from jetson_perception.ros.lockstep import FrameAnswers
from jetson_perception.ros.parameters import Parameters, param
from jetson_perception.ros.stamps import StampCheck
from jetson_perception.ros.subscription_watch import SubscriptionWatch
from jetson_perception.ros.udp_participant import UdpParticipant
from jetson_perception.ros.video_input import VideoInput
from jetson_perception.ros.video_messages import video_header, video_packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from diagnostic_msgs.msg import DiagnosticStatus
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from jetson_perception.errors import PerceptionError
    from jetson_perception.pipeline import Frame


@dataclass(frozen=True)
class ImageInputParams(CameraTopicsParams):
    """Parameters of a node that subscribes to an image topic."""

    image_transport: str = param(
        'raw',
        'raw subscribes to sensor_msgs/Image on image, compressed to CompressedImage on '
        'image/compressed, ffmpeg to FFMPEGPacket of ffmpeg_image_transport on image/ffmpeg, '
        'foxglove to foxglove_msgs/CompressedVideo on image/foxglove. Where image is remapped to '
        'a topic that ends so, or that only such images are sent on, they are taken either way. '
        'Video (H.264 and H.265) needs PyAV 17 and the package of its messages.',
        choices=FORMS,
        at_configure=True,
    )
    reliability: str = param(
        'auto',
        'auto subscribes to images as they are sent: reliable if all publishers are, best effort '
        'otherwise; best_effort and reliable do so whatever is sent.',
        choices=('auto', 'best_effort', 'reliable'),
        at_configure=True,
    )
    max_image_pixels: int = param(
        MAX_IMAGE_PIXELS,
        'Images with more pixels are refused, compressed ones before they are decoded: a few '
        'hundred bytes can claim gigabytes. Decoding 8192 by 8192 pixels takes up to 750 MB and '
        'some seconds, so where strangers may publish, set it to what the camera sends.',
        between=(1, MOST_IMAGE_PIXELS),
        at_configure=True,
    )
    intensity_range: tuple[int, ...] = param(
        (),
        'Values of mono16 and 16UC1 images, such as those of thermal cameras, that become black '
        'and white; such images are refused without it.',
        example='[28000, 32000]',
    )
    jpeg_decoder: str = param(
        'auto',
        'Who decodes JPEGs for engines on a GPU. auto has nvJPEG do it, on the GPU, where that is '
        'there and recognizes damaged images as the CPU does; gpu wherever it is there; cpu '
        'never. All but plain ones, such as Motion JPEG without Huffman tables, are decoded on '
        'the CPU in any case.',
        choices=JPEG_DECODERS,
        at_configure=True,
    )
    every_frame: bool = param(
        False,
        'Have every engine process every frame, in order, however long that takes; for '
        'recordings that this node reads itself (source), or that camera_node plays with '
        'every_frame too, so that it waits. An image topic must be reliable.',
        at_configure=True,
    )

    def problem(self) -> str:
        """What is wrong between the fields; empty when nothing is."""
        return range_problem(self.intensity_range)


class ImageInput:
    """The images of a topic as frames, a `FrameInput`; it may be started and closed repeatedly.

    Parameters
    ----------
    node : rclpy Node
        Which subscribes.
    params : Parameters of ImageInputParams
        As they are when it starts; `intensity_range` as it is for each image.
    on_error : callable
        Called as on_error(error) for an image that cannot be used.
    topic : str
        Where images are, as `image_topic` finds it.
    udp_participant : UdpParticipant, optional
        One that several inputs share, whose owner closes it after them.
    """

    def __init__(
        self,
        node: Node,
        params: Parameters[ImageInputParams],
        on_error: Callable[[PerceptionError], None],
        topic: str = 'image',
        udp_participant: UdpParticipant | None = None,
    ) -> None:
        self._node = node
        self._params = params
        self._on_error = on_error
        self._topic = topic
        self._offer: Callable[[Frame], None] | None = None
        self._subscription: ImageSubscription | None = None
        self._udp_is_shared = udp_participant is not None
        self._udp_participant = udp_participant or UdpParticipant(node)
        self._watch: SubscriptionWatch | None = None
        self._video: VideoInput | None = None
        #: Says what is done with, where every frame is to be handled.
        self._answers: FrameAnswers | None = None
        self._cv_bridge = CvBridgeImages()
        self._stamps: StampCheck | None = None
        self._assumptions = _Assumptions(node.get_logger())
        self.name = ''
        self._counting = threading.Lock()
        self.rejected = 0
        self.newest_header: Header | None = None

    def start(self, offer: Callable[[Frame], None]) -> None:
        """Subscribe, and give a frame for each image to `offer`."""
        params = self._params.value
        self._offer, self.rejected = offer, 0
        topic = image_topic(self._node, self._topic, params.image_transport)
        require_takeable(topic)
        self._watch = SubscriptionWatch(
            self._node, self._take_the_other_type, self._topic, every_frame=params.every_frame
        )
        # Before the subscription, whose images may come at once, in a thread of their own.
        self.name = topic.name
        self._stamps = StampCheck(self._node, self.name, self._watch.replay)
        self._subscribe(topic)
        if params.every_frame:
            self._answers = FrameAnswers(self._node, self.name)
        self._node.get_logger().info(f'waiting for images on {self.name}')

    def _subscribe(self, topic: ImageTopic) -> None:
        assert self._watch is not None
        params = self._params.value
        if topic.is_video:
            self._video = self._video_input(topic.name)
        self._subscription = ImageSubscription(
            self._node,
            self._udp_participant,
            topic,
            self._callback(topic),
            partial(self._watch.begin, topic),
            self._watch.end,
            reliability=params.reliability,
            every_frame=params.every_frame,
            # In lockstep, an image may be a copy of one that was taken: order is everything.
            on_image=None if params.every_frame or topic.form != 'raw' else self._on_image,
        )

    def _callback(self, topic: ImageTopic) -> Callable[[Any], None]:
        if topic.is_video:
            return self._on_video
        return self._on_compressed if topic.compressed else self._on_raw

    def _video_input(self, name: str) -> VideoInput:
        return VideoInput(
            name,
            self._params.value.max_image_pixels,
            self._offer_decoded,
            self._reject_packet,
            self._node.get_logger(),
        )

    def _take_the_other_type(self, sent: ImageTopic) -> None:
        """Subscribe to what is sent on a topic, where that is not what was subscribed to."""
        if sent.problem():
            return  # the watchdog says it
        self._node.get_logger().info(
            f'on {printable(sent.name)} there is {sent.type_name}: taking that'
        )
        self._unsubscribe()
        self._subscribe(sent)

    def done(self, header: Header) -> None:
        """Answer a frame, where its sender may wait for that."""
        if self._answers is not None:
            self._answers.done(header)

    def silence(self) -> str:
        """Why no image comes, once that was warned of; else empty."""
        silence = self._watch.silence() if self._watch is not None else ''
        return silence or (self._video.silence() if self._video is not None else '')

    @property
    def lost(self) -> int:
        """How many images since `start` were sent and never taken."""
        return self._watch.losses.total.lost if self._watch is not None else 0

    def diagnose(self, node_name: str) -> DiagnosticStatus:
        """Whether images come, and all that are sent."""
        losses = self._watch.losses if self._watch is not None else None
        return input_status(f'{node_name}: input {self.name}', self, losses)

    def clock_problem(self) -> str:
        """Why the newest image's age is not known; empty when it is."""
        return self._stamps.problem() if self._stamps is not None else ''

    def at_end(self) -> bool:
        """Whether all who publish the topic have played what they had to its end."""
        return self._watch is not None and self._watch.at_end()

    def trying_again(self) -> str:
        """Nothing: it takes what is sent."""
        return ''

    def hang(self) -> str:
        """Nothing: it calls nothing that may hang."""
        return ''

    def stop(self) -> None:
        """Unsubscribe."""
        self._offer = None
        self._unsubscribe()
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def _unsubscribe(self) -> None:
        if self._watch is not None:
            self._watch.end()
        if self._subscription is not None:
            self._subscription.close()
        if self._video is not None:
            self._video.close()
        self._subscription = self._video = None

    def close(self) -> None:
        """Unsubscribe, and take no part in the lockstep any more."""
        self.stop()
        if not self._udp_is_shared:
            self._udp_participant.close()
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    def destroy(self) -> None:
        """Do as `close`, which leaves nothing."""
        self.close()

    def _on_raw(self, msg: Image | TakenImage) -> None:
        """Hear of a raw image, in the executor's thread; one of its own may have handled it."""
        if self._is_taken(msg.header, msg) and not isinstance(msg, TakenImage):
            self._on_image(msg)

    def _on_image(self, msg: Image | TakenImage) -> None:
        if self._offer is not None:
            self._assumptions.say(msg.encoding, self.name)
        values = self._params.value.intensity_range
        to_frame = partial(frame_from_image, intensity_range=values, cv_bridge=self._cv_bridge)
        self._take(msg, to_frame)

    def _on_compressed(self, msg: CompressedImage) -> None:
        if self._is_taken(msg.header, msg):
            self._take(msg, frame_from_compressed)

    def _on_video(self, msg: Any) -> None:
        header = video_header(msg)
        if self._video is None or self._stamps is None or not self._is_taken(header, msg):
            return
        try:
            check_frame_id(header)
            packet = video_packet(msg, self._params.value.max_image_pixels)
        except ImageError as error:
            self._reject(header, error)
            return
        self.newest_header = header
        age_ms = self._stamps.age_ms(header, age_of(header, self._node.get_clock()))
        self._video.put(packet, header, age_ms)

    def _offer_decoded(self, frame: Frame) -> None:
        """Hand a frame over; in the decoder's thread."""
        offer = self._offer
        if offer is not None:
            offer(frame)

    def _reject_packet(self, header: Header, error: ImageError | None) -> None:
        """Count a packet that comes to no frame; without an error, that was told before."""
        if error is not None:
            self._reject(header, error)
            return
        with self._counting:
            self.rejected += 1
        self.done(header)

    def _take(self, msg: Any, to_frame: Callable[..., Frame]) -> None:
        """Make a frame of a message and hand it over, or tell why not; in any thread."""
        offer, stamps = self._offer, self._stamps  # which `stop` takes away
        if offer is None or stamps is None:
            return
        try:
            frame = to_frame(msg, self._node.get_clock(), self._params.value.max_image_pixels)
        except ImageError as error:
            self._reject(msg.header, error)
            return
        self.newest_header = msg.header
        frame.age_ms = stamps.age_ms(msg.header, frame.age_ms)
        frame.input_name = self.name
        frame.stamp_ns = stamp_ns(msg.header)
        frame.encoding = _encoding(msg)
        offer(frame)

    def _is_taken(self, header: Header, msg: Any) -> bool:
        """Whether an image that arrived is one to handle, and not a second copy or too late."""
        if self._offer is None or self._watch is None or self._subscription is None:
            return False
        size_bytes = msg.size_bytes if isinstance(msg, TakenImage) else len(msg.data)
        if not self._subscription.accepts(size_bytes):
            return False
        self._watch.image_arrived()
        return self._answers is None or self._answers.is_new(header)

    def _reject(self, header: Header, error: ImageError) -> None:
        with self._counting:
            self.rejected += 1
        self._on_error(ImageError(f'image on {self.name}: {error}'))
        frame_id = header.frame_id[:MOST_FRAME_ID_CHARACTERS]
        self.newest_header = Header(stamp=header.stamp, frame_id=frame_id)
        self.done(self.newest_header)


class _Assumptions:
    """Says once of each encoding that leaves open what it means what it is taken for."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._said: set[str] = set()

    def say(self, encoding: str, topic: str) -> None:
        """Warn of an encoding, unless that was done before."""
        if encoding not in UNNAMED or encoding in self._said:
            return
        self._said.add(encoding)
        taken = UNNAMED[encoding]
        self._logger.warning(
            f'images on {topic} are {encoding}, which does not say what the channels hold; '
            f'they are taken as {taken}. Have the publisher name the encoding, with '
            f"cv_bridge: cv2_to_imgmsg(image, encoding='{taken}')"
        )


def _encoding(msg: Image | TakenImage | CompressedImage) -> str:
    """What an image came as: 'bgr8', 'jpeg', 'jpeg compressed bgr8'."""
    if isinstance(msg, CompressedImage):
        # ROS has 'bgr8; jpeg compressed bgr8': what it was, and what it is.
        return str(msg.format.partition('; ')[2] or msg.format)
    return str(msg.encoding)
