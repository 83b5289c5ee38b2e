"""Where objects are in space: what was found in an image, with a depth image registered to it."""

from jetson_perception.depth.depth_image import DepthImage
from jetson_perception.depth.locating import locate
from jetson_perception.depth.rays import Rays
from jetson_perception.depth.spatial_objects import SpatialObjects

__all__ = ['DepthImage', 'Rays', 'SpatialObjects', 'locate']
