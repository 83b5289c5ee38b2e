"""The examination where `jetson-perception` itself does not start: `python3 -m …doctor`.

Nothing is imported here but rich: NumPy, OpenCV or ONNX Runtime may be what is broken.
"""

import sys

try:
    from jetson_perception.commands.doctor import configure
    from jetson_perception.commands.parser import CommandParser
except ModuleNotFoundError as error:
    sys.exit(
        f'{error}: first source install/setup.bash of the workspace, or `pip install rich`, which '
        'this examination needs alone'
    )
from jetson_perception.process.streams import replace_what_cannot_be_shown

if __name__ == '__main__':
    replace_what_cannot_be_shown()
    parser = CommandParser(prog='python3 -m jetson_perception.doctor')
    configure(parser)
    arguments = parser.parse_args()
    sys.exit(arguments.command(arguments))
