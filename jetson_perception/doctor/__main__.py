"""The examination where `jetson-perception` itself does not start: `python3 -m …doctor`.

Nothing is imported here but rich: NumPy, OpenCV or ONNX Runtime may be what is broken.
"""

import argparse
import sys

from jetson_perception.commands.doctor import add_doctor

if __name__ == '__main__':
    parser = argparse.ArgumentParser(prog='python3 -m jetson_perception.doctor')
    add_doctor(parser.add_subparsers(required=True))
    arguments = parser.parse_args(['doctor', *sys.argv[1:]])
    sys.exit(arguments.command(arguments))
