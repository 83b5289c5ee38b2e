from importlib.util import find_spec

import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.ros.target_frame import TargetFrame


@pytest.mark.skipif(find_spec('tf2_ros') is not None, reason='tf2_ros is installed')
def test_without_tf2_ros(make_node):
    with pytest.raises(ParameterError, match=r"is 'base_link', which needs tf2_ros.*apt-get"):
        TargetFrame(make_node(), 'base_link')
