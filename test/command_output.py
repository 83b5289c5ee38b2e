"""Pictures for commands, and what they print as tables."""

import re

import cv2
import numpy as np

VERBS = (
    'info',
    'run',
    'evaluate',
    'compare',
    'bench',
    'quantize',
    'build-engine',
    'doctor',
    'selftest',
    'cache',
)


def stripes(width=64, height=48):
    """Left half red, right half green; BGR."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[:, : width // 2, 2] = 255
    bgr[:, width // 2 :, 1] = 255
    return bgr


def write_picture(path, bgr=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), stripes() if bgr is None else bgr)
    return str(path)


def write_video(path, count=5, size_wh=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, size_wh)
    for _ in range(count):
        writer.write(stripes(*size_wh))
    writer.release()
    return str(path)


def rows(text):
    """A printed two-column listing as a dict."""
    pairs = (re.split(r'\s{2,}', line.strip(), maxsplit=1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def cells(text):
    """Rows of a printed table."""
    lines = (line.strip('│┃ ') for line in text.splitlines() if '│' in line)
    return {line.split('│')[0].strip(): line.split('│')[1].strip() for line in lines}


def table_rows(text):
    """Cells of each row of printed tables, by the first."""
    lines = (line.strip('│┃ ') for line in text.splitlines() if '│' in line)
    found = ([cell.strip() for cell in line.split('│')] for line in lines)
    return {row[0]: row[1:] for row in found}
