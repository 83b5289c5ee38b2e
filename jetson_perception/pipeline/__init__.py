"""How frames flow: engines take the newest, or every one; a thread per engine, one to publish.

::

    offer ─ slot ─ lane 1: preprocess, infer, postprocess ─┐
          ├ slot ─ lane 2: …                               ├─ publisher
          └ …                                              ┘
"""

from jetson_perception.pipeline.activity import (
    SLOW_START_S,
    Activity,
    LeftBehind,
    WatchedThread,
    call_within,
    join_until,
)
from jetson_perception.pipeline.batching import Batching, Together
from jetson_perception.pipeline.crop_cuda_lane import CropCudaLane, make_crop_lane
from jetson_perception.pipeline.crop_lane import CropLane
from jetson_perception.pipeline.cuda_lane import CudaLane, make_lane
from jetson_perception.pipeline.drawn_frames import DrawnFrames
from jetson_perception.pipeline.frame import Frame, TensorPool
from jetson_perception.pipeline.lane import Lane, Model
from jetson_perception.pipeline.pace import AllFrames, HowOften, Pace, arrival_s
from jetson_perception.pipeline.picture_slots import PictureCounts, PictureKind, PictureSlots
from jetson_perception.pipeline.pipeline import Pipeline
from jetson_perception.pipeline.policy import EveryFrame, NewestFrame
from jetson_perception.pipeline.rate_limit import RateLimit
from jetson_perception.pipeline.raw_image import JpegBytes, RawImage
from jetson_perception.pipeline.record import Counts, Record
from jetson_perception.pipeline.slot import LatestSlot
from jetson_perception.pipeline.timing import STAGES, RateMeter, StageSummary, StageTimes
from jetson_perception.pipeline.worker import NewestWorker

__all__ = [
    'SLOW_START_S',
    'STAGES',
    'Activity',
    'AllFrames',
    'Batching',
    'Counts',
    'CropCudaLane',
    'CropLane',
    'CudaLane',
    'DrawnFrames',
    'EveryFrame',
    'Frame',
    'HowOften',
    'JpegBytes',
    'Lane',
    'LatestSlot',
    'LeftBehind',
    'Model',
    'NewestFrame',
    'NewestWorker',
    'Pace',
    'PictureCounts',
    'PictureKind',
    'PictureSlots',
    'Pipeline',
    'RateLimit',
    'RateMeter',
    'RawImage',
    'Record',
    'StageSummary',
    'StageTimes',
    'TensorPool',
    'Together',
    'WatchedThread',
    'arrival_s',
    'call_within',
    'join_until',
    'make_crop_lane',
    'make_lane',
]
