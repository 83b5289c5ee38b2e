"""A server and one viewer over the loopback device; prints what the viewer got as JSON.

    unshare --net --map-root-user python test/view/thin_link.py 10mbit 3 mjpeg|socket

To be run in a network namespace of its own, whose loopback device it makes as thin as is given.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from contextlib import aclosing

import aiohttp
import cv2
import numpy as np

from jetson_perception.view.access import Access
from jetson_perception.view.robot import Picture
from jetson_perception.view.server import Server

SIZE_WH = (1280, 720)
OFFERED_HZ = 30.0
SETTLING_S = 1.5
#: Pictures that can be told apart, by their gray.
COUNT = 24
NO_RIGHTS = 77


def pictures():
    """Files of about 400 kB."""
    noise = np.random.default_rng(1).integers(
        0, 70, (SIZE_WH[1] // 2, SIZE_WH[0] // 2, 3), np.uint8
    )
    noise = cv2.resize(noise, SIZE_WH)
    for number in range(COUNT):
        pixels = noise + np.uint8(5 * number)
        yield Picture(
            cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes(), 'image/jpeg'
        )


def number_of(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return round((pixels.mean() - 34.5) / 5) % COUNT


class StandInRobot:
    """A `view.robot.Robot` with one camera."""

    def __init__(self):
        self.files = list(pictures())
        self.sent_s = [0.0] * COUNT
        self.count = 0

    async def picture_topics(self):
        return ['/annotated']

    async def parameters(self):
        return []

    def open_pictures(self, topic, give):
        task = asyncio.get_running_loop().create_task(self.send(give))
        return task.cancel

    async def send(self, give):
        begun_s = time.monotonic()
        while True:
            number = self.count % COUNT
            self.sent_s[number] = time.monotonic()
            give(self.files[number])
            self.count += 1
            await asyncio.sleep(max(begun_s + self.count / OFFERED_HZ - time.monotonic(), 0))


async def socket_pictures(session, url):
    """What a page gets: the next picture once it has shown the one before."""
    async with session.ws_connect(
        f'{url}/pictures?topic=/annotated', headers={'Origin': url}, max_msg_size=0
    ) as opened:
        async for message in opened:
            yield message.data
            await opened.send_str('next')


async def mjpeg_pictures(session, url):
    async with session.get(f'{url}/mjpeg?topic=/annotated') as response:
        while True:
            length = 0
            await response.content.readuntil(b'--picture\r\n')
            while line := (await response.content.readline()).strip():
                if line.startswith(b'Content-Length: '):
                    length = int(line.split()[1])
            yield await response.content.readexactly(length)


async def watch(seconds, way):
    robot = StandInRobot()
    server = Server(robot, Access())
    listening = socket.create_server(('127.0.0.1', 0))
    url = f'http://127.0.0.1:{listening.getsockname()[1]}'
    await server.start(listening)
    begun_s, ages_s, sizes = time.monotonic(), [], []
    async with aiohttp.ClientSession() as session, aclosing(way(session, url)) as coming:
        async for data in coming:
            now_s = time.monotonic()
            if now_s > begun_s + SETTLING_S + seconds:
                break
            if now_s > begun_s + SETTLING_S:
                ages_s.append(now_s - robot.sent_s[number_of(data)])
                sizes.append(len(data))
    offered_hz = robot.count / (time.monotonic() - begun_s)
    await server.close()
    return {
        'rate': len(ages_s) / seconds,
        'oldest_s': max(ages_s, default=None),
        'bytes': sum(sizes) / max(len(sizes), 1),
        'original_bytes': sum(len(each.data) for each in robot.files) / COUNT,
        'offered_hz': offered_hz,
    }


def make_thin(rate):
    for command in (
        'ip link set lo mtu 1500 up',
        f'tc qdisc add dev lo root tbf rate {rate} burst 16kb latency 100ms',
    ):
        try:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        except OSError as error:
            done = subprocess.CompletedProcess(command, 1, '', str(error))
        if done.returncode:
            sys.stderr.write(f'{command}: {done.stderr}')
            sys.exit(NO_RIGHTS)


if __name__ == '__main__':
    make_thin(sys.argv[1])
    ways = {'socket': socket_pictures, 'mjpeg': mjpeg_pictures}
    sys.stdout.write(json.dumps(asyncio.run(watch(float(sys.argv[2]), ways[sys.argv[3]]))))
