"""Where the tests find what they test, when nothing is installed."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

for name, folder in (('jetson_perception', ROOT), ('jetson_perception_scenes', ROOT / 'scenes')):
    if importlib.util.find_spec(name) is None:
        sys.path.insert(0, str(folder))
