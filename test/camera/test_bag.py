"""bag:// as a source: images in order with their stamps and numbers, topics, damage, pace."""

import io
import os
import re
import sys
import threading

import pytest
from bags import write_bag
from rosbags.rosbag2 import StoragePlugin

from jetson_perception.camera import bag as bag_module
from jetson_perception.camera import bag_cut_off, open_source
from jetson_perception.camera.bag import BagSource
from jetson_perception.camera.uri import is_bag, parse
from jetson_perception.errors import EndOfStream, SourceError

STAMP_NS = 1_700_000_000_000_000_007


@pytest.fixture
def opened():
    """Opens a source as fast as it can be read, and closes it after the test."""
    sources = []

    def open_bag(uri, **options):
        source = BagSource(str(uri), **({'frame_rate': 0} | options))
        sources.append(source)
        source.open()
        return source

    yield open_bag
    for source in sources:
        source.close()


def read_all(source, most=20):
    """Number, gray level and stamp of every image."""
    found = []
    for _ in range(most):
        try:
            frame = source.read()
        except EndOfStream:
            break
        found.append((frame.index, int(frame.pixels[0, 0, 0]), frame.recorded_ns))
    return found


@pytest.mark.parametrize(
    ('compressed', 'storage', 'ending'),
    [
        pytest.param(False, StoragePlugin.MCAP, '', id='mcap'),
        pytest.param(True, StoragePlugin.MCAP, '', id='compressed'),
        pytest.param(False, StoragePlugin.SQLITE3, '', id='sqlite3'),
        pytest.param(False, StoragePlugin.SQLITE3, '.db3', id='sqlite3_file'),
        pytest.param(True, StoragePlugin.MCAP, '.mcap', id='mcap_file'),
    ],
)
def test_every_image_in_order_with_its_stamp(opened, tmp_path, compressed, storage, ending):
    path = write_bag(tmp_path / 'drive', [40, 120, 200], compressed=compressed, storage=storage)
    if ending:
        (path,) = path.glob(f'*{ending}')
    source = opened(f'bag://{path}')
    assert read_all(source) == [
        (0, 40, STAMP_NS),
        (1, 120, STAMP_NS + 20_000_000),
        (2, 200, STAMP_NS + 40_000_000),
    ]
    with pytest.raises(EndOfStream, match='ended after 3 images'):
        source.read()
    assert not source.live
    assert source.rate_hz == pytest.approx(50)


def test_a_camera_that_set_no_stamp_gets_the_time_of_recording(opened, tmp_path):
    path = write_bag(
        tmp_path / 'drive', [40], first_stamp_ns=0, logged_ns=1_700_000_100_000_000_001
    )
    assert read_all(opened(f'bag://{path}')) == [(0, 40, 1_700_000_100_000_000_001)]


@pytest.mark.parametrize('compressed', [False, True])
def test_an_image_that_cannot_be_used_is_left_out(opened, tmp_path, caplog, compressed):
    path = write_bag(tmp_path / 'drive', [40, None, 200], compressed=compressed)
    found = read_all(opened(f'bag://{path}'))
    assert [(index, gray) for index, gray, _ in found] == [(0, 40), (2, 200)]
    assert 'image 1 is left out: ' in caplog.text


def test_not_one_image_that_can_be_used(opened, tmp_path):
    source = opened(f'bag://{write_bag(tmp_path / "drive", [None, None])}', loop=True)
    with pytest.raises(
        SourceError, match=r'none of the 2 images .* the last one: .*64FC9'
    ) as caught:
        source.read()
    assert not isinstance(caught.value, EndOfStream)


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_thermal_images(opened, tmp_path, encoding):
    source = opened(f'bag://{write_bag(tmp_path / "drive", [40], encoding=encoding)}')
    with pytest.raises(SourceError, match=r'16 bits .* `ros2 bag play`, and set intensity_range'):
        source.read()


def test_an_empty_topic(opened, tmp_path):
    with pytest.raises(SourceError, match='none of the 0 images'):
        opened(f'bag://{write_bag(tmp_path / "drive", [])}').read()


def test_of_several_topics_one(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', [40, 120], topics=('/left', '/right'))
    assert len(read_all(opened(f'bag://{path}?topic=/right'))) == 2
    write = re.escape(f"write 'bag://{path}?topic=/left', or another of them")
    with pytest.raises(SourceError, match=f'has images on /left, /right; {write}$'):
        opened(f'bag://{path}')
    with pytest.raises(SourceError, match='has no images on /up, but on /left, /right; write '):
        opened(f'bag://{path}?topic=/up')


def test_scales_and_loops(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', [40, 120])
    source = opened(f'bag://{path}', size_wh=(20, 10), loop=True)
    frames = [source.read() for _ in range(5)]
    assert [frame.index for frame in frames] == [0, 1, 0, 1, 0]
    assert {frame.pixels.shape for frame in frames} == {(10, 20, 3)}


@pytest.fixture
def waits(monkeypatch):
    """Rate and gap of each wait of a pacer, none of which takes time."""
    waits = []

    class StandInPacer:
        def __init__(self, rate):
            self.rate = rate

        def wait(self, cancelled, gap_s=None):
            waits.append((self.rate, gap_s))

    monkeypatch.setattr(bag_module, 'Pacer', StandInPacer)
    return waits


@pytest.mark.parametrize(
    ('rate', 'gaps_s'),
    [
        pytest.param(None, [0, 0.02, 0.02], id='as_recorded'),
        pytest.param(4.0, [None] * 3, id='rate'),
    ],
)
def test_pace(opened, tmp_path, waits, rate, gaps_s):
    path = write_bag(tmp_path / 'drive', [40, 120, 200])
    read_all(opened(f'bag://{path}', frame_rate=rate))
    assert waits[:3] == [(rate or 0, pytest.approx(gap) if gap else gap) for gap in gaps_s]


@pytest.mark.parametrize(
    ('grays', 'gap_s'),
    [
        pytest.param([40, 120, 200], 0.02, id='of_many'),
        pytest.param([40], 1 / 30, id='of_one_alone'),
        pytest.param([None, 40], 0.02, id='after_one_of_no_use'),
    ],
)
def test_the_first_image_of_another_round_is_a_gap_behind_the_last(
    opened, tmp_path, waits, grays, gap_s
):
    path = write_bag(tmp_path / 'drive', grays)
    source = opened(f'bag://{path}', loop=True, frame_rate=None)
    usable = sum(gray is not None for gray in grays)
    for _ in range(2 * usable + 1):
        source.read()
    gaps_s = [gap_s for _, gap_s in waits]
    assert gaps_s[0] == 0
    assert gaps_s[usable] == gaps_s[2 * usable] == pytest.approx(gap_s)


@pytest.mark.parametrize(
    ('count', 'gap_ns', 'rate_hz'),
    [
        pytest.param(20, 100_000_000, 10.0, id='slow'),
        pytest.param(3, 20_000_000, 50.0, id='few'),
        pytest.param(1, 100_000_000, 30.0, id='one'),
        pytest.param(5, 0, 30.0, id='all_at_once'),
    ],
)
def test_the_rate_is_that_of_the_images_whatever_else_was_recorded(
    opened, tmp_path, count, gap_ns, rate_hz
):
    ten_minutes = 600 * 10**9
    path = write_bag(
        tmp_path / 'drive', [40] * count, gap_ns=gap_ns, other_topic_until_ns=ten_minutes
    )
    source = opened(f'bag://{path}')
    assert source.rate_hz == pytest.approx(rate_hz)
    assert len(read_all(source, most=count + 1)) == count


@pytest.mark.parametrize('name', ['nothing', 'nothing.mcap', 'broken.bag', 'broken.db3'])
def test_no_bag(opened, tmp_path, name):
    for broken in ('broken.bag', 'broken.db3'):
        (tmp_path / broken).write_bytes(b'no bag')
    with pytest.raises(SourceError, match='cannot be read as a bag'):
        opened(f'bag://{tmp_path}/{name}')


@pytest.mark.parametrize('name', ['pipe.bag', 'metadata.yaml', 'drive.mcap'])
def test_a_pipe_where_a_file_is_expected(opened, tmp_path, name):
    path = tmp_path / name
    if name.endswith('.bag'):
        os.mkfifo(path)
    else:
        folder = write_bag(tmp_path / 'drive', [40])
        path = folder if name == 'metadata.yaml' else next(folder.glob('*.mcap'))
        replaced = folder / name if name == 'metadata.yaml' else path
        replaced.unlink()
        os.mkfifo(replaced)
    with pytest.raises(SourceError, match=r'is a pipe \(FIFO\)'):
        opened(f'bag://{path}')


def test_metadata_without_measure(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', [40])
    with (path / 'metadata.yaml').open('a') as file:
        file.truncate(1 << 30)
    with pytest.raises(SourceError, match='has more than 16 MiB'):
        opened(f'bag://{path}')


def test_damage_behind_the_index(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', range(50), storage=StoragePlugin.SQLITE3)
    (file,) = path.glob('*.db3')
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    file.write_bytes(content)
    with pytest.raises(SourceError):
        read_all(opened(f'bag://{path}'), most=60)


def test_no_rosbags(opened, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rosbags.highlevel', None)
    with pytest.raises(SourceError, match='pip install rosbags'):
        opened(f'bag://{tmp_path}')


def test_close_in_another_thread_ends_a_read_that_waits(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', [40, 120], gap_ns=3_600_000_000_000)
    source = opened(f'bag://{path}', frame_rate=None)
    source.read()
    closer = threading.Timer(0.05, source.close)
    closer.start()
    with pytest.raises(SourceError, match='was closed'):
        source.read()
    closer.join()
    source.close()
    with pytest.raises(SourceError, match='is not open'):
        source.read()


def test_a_path_alone_is_a_bag_too(tmp_path):
    path = write_bag(tmp_path / 'drive', [40])
    for text in (str(path), f'{path}?topic=/camera/image_raw', f'bag://{path}'):
        assert parse(text).scheme == 'bag'
        assert type(open_source(text)) is BagSource
    (file,) = path.glob('*.mcap')
    assert parse(str(file)).scheme == 'bag'


@pytest.mark.parametrize(
    ('storage', 'ending'),
    [
        pytest.param(StoragePlugin.MCAP, '.mcap', id='mcap'),
        pytest.param(StoragePlugin.SQLITE3, '.db3', id='sqlite3'),
    ],
)
class TestWithoutMetadata:
    """As a recorder leaves it that is killed, or a file that is copied out of its folder."""

    def test_a_file_or_a_folder_of_one(self, opened, tmp_path, storage, ending):
        path = write_bag(tmp_path / 'drive', [40, 120], storage=storage)
        (path / 'metadata.yaml').unlink()
        (file,) = path.glob(f'*{ending}')
        for place in (path, file):
            assert is_bag(place)
            assert [gray for _, gray, _ in read_all(opened(f'bag://{place}'))] == [40, 120]

    def test_a_file_in_the_folder_of_another_bag(self, opened, tmp_path, storage, ending):
        path = write_bag(tmp_path / 'drive', [40], storage=storage)
        other = write_bag(tmp_path / 'other', [120], storage=storage)
        (file,) = other.glob(f'*{ending}')
        file = file.rename(path / f'alone{ending}')
        assert [gray for _, gray, _ in read_all(opened(f'bag://{file}'))] == [120]

    def test_several_files(self, opened, tmp_path, storage, ending):
        path = write_bag(tmp_path / 'drive', [40], storage=storage)
        (path / 'metadata.yaml').rename(path / f'b{ending}')
        with pytest.raises(
            SourceError, match=f'has no metadata.yaml, .* bag reindex {path}` makes'
        ):
            opened(f'bag://{path}')

    def test_one_that_was_cut_off(self, opened, tmp_path, storage, ending):
        path = write_bag(tmp_path / 'drive', range(50), storage=storage)
        (path / 'metadata.yaml').unlink()
        (file,) = path.glob(f'*{ending}')
        os.truncate(file, file.stat().st_size * 2 // 3)
        with pytest.raises(SourceError, match='was the recording cut off') as caught:
            opened(f'bag://{path}')
        assert '.;' not in str(caught.value)


class TestCutOff:
    """An .mcap file that has no end, as a loss of power leaves it, with metadata or without."""

    def test_anywhere(self, opened, tmp_path, caplog):
        """Up to the last whole chunk, which has some hundred of these images."""
        path = write_bag(tmp_path / 'drive', [n % 250 for n in range(400)])
        (file,) = path.glob('*.mcap')
        content = file.read_bytes()
        counts = []
        for share in (0.35, 0.65, 0.9, 1):
            file.write_bytes(content[: int(len(content) * share) - 1])
            caplog.clear()
            source = opened(f'bag://{path}')
            counts.append(source.frame_count)
            read = read_all(source, most=500)
            assert read == [
                (n, n % 250, STAMP_NS + n * 20_000_000) for n in range(source.frame_count)
            ]
            assert f'was cut off: {source.frame_count} messages of it can be read' in caplog.text
        assert counts == sorted(set(counts))
        assert counts[-1] == 400  # only the end was gone
        (path / 'metadata.yaml').unlink()
        for place in (path, file):
            assert opened(f'bag://{place}').frame_count == 400

    def test_a_last_chunk_without_content(self, opened, tmp_path):
        """The disk had its length already."""
        path = write_bag(tmp_path / 'drive', [40] * 250)
        (file,) = path.glob('*.mcap')
        content = file.read_bytes()
        begins, _ = bag_cut_off._records(io.BytesIO(content), len(content))
        damaged = content[: begins + 60] + bytes(300_000)
        file.write_bytes(damaged)
        assert 0 < opened(f'bag://{path}').frame_count < 250

    def test_nothing_is_whole(self, opened, tmp_path):
        path = write_bag(tmp_path / 'drive', [40] * 3)
        (path / 'metadata.yaml').unlink()
        (file,) = path.glob('*.mcap')
        content = file.read_bytes()
        for part in (b'', content[:5], content[:8], content[:20], content[:3000]):
            for rest in (b'', bytes(5000), bytes([6]) + b'\xff' * 40):
                file.write_bytes(part + rest)
                with pytest.raises(SourceError, match='cannot be read as a bag'):
                    opened(f'bag://{path}')


def test_a_compressed_file_without_metadata(opened, tmp_path):
    file = tmp_path / 'drive_0.db3.zstd'
    file.write_bytes(b'(\xb5/\xfd')
    assert parse(str(file)).scheme == 'bag'
    with pytest.raises(SourceError, match=r'is compressed, .* `unzstd drive_0.db3.zstd`'):
        opened(f'bag://{file}')


def test_no_images(opened, tmp_path):
    path = write_bag(tmp_path / 'drive', [], topics=())
    with pytest.raises(SourceError, match=r'holds no images; .* Its topics: none'):
        opened(f'bag://{path}')


@pytest.mark.parametrize('scheme', ['', 'bag://'])
def test_another_query_than_a_topic(tmp_path, scheme):
    path = write_bag(tmp_path / 'drive', [40])
    with pytest.raises(SourceError, match=r'a bag takes no topics; expected e.g. \?topic=/camera'):
        parse(f'{scheme}{path}?topics=/left')


K = [60, 0, 32, 0, 60, 24, 0, 0, 1]
CALIBRATED = {
    'd': [0.1, 0, 0, 0, 0],
    'k': K,
    'r': [1, 0, 0, 0, 1, 0, 0, 0, 1],
    'p': [60, 0, 32, 0, 0, 60, 24, 0, 0, 0, 1, 0],
}


class TestHeaderAndCameraInfo:
    def test_come_with_each_image(self, opened, tmp_path):
        path = write_bag(tmp_path / 'drive', [40, 120], camera_info=CALIBRATED)
        source = opened(f'bag://{path}')
        one, other = source.read(), source.read()
        assert one.frame_id == 'front_optical'
        assert one.calibration.camera_matrix == tuple(K)
        assert one.calibration.size_wh == (64, 48)
        assert other.calibration is one.calibration

    @pytest.mark.parametrize(
        ('part', 'size_wh', 'expected'),
        [
            pytest.param({'region': (320, 240, 640, 480)}, (640, 480), (1000, 320, 240), id='cut'),
            pytest.param({'binning': (2, 2)}, (640, 480), (500, 319.75, 239.75), id='binned'),
            pytest.param(
                {'region': (320, 240, 640, 480), 'binning': (2, 2)},
                (320, 240),
                (500, 159.75, 119.75),
                id='cut_and_binned',
            ),
        ],
    )
    def test_of_a_part_of_the_sensor(self, opened, tmp_path, part, size_wh, expected):
        whole = {'width': 1280, 'height': 960, 'k': [1000, 0, 640, 0, 1000, 480, 0, 0, 1]}
        path = write_bag(tmp_path / 'drive', [40], camera_info=CALIBRATED | whole | part)
        found = opened(f'bag://{path}').read().calibration
        k = found.camera_matrix
        assert (found.size_wh, (k[0], k[2], k[5])) == (size_wh, expected)
        assert found.projection_matrix[2] != CALIBRATED['p'][2]

    @pytest.mark.parametrize(
        ('info', 'warns'),
        [
            pytest.param(None, False, id='none'),
            pytest.param({}, False, id='not_calibrated'),
            pytest.param(CALIBRATED | {'k': [float('nan'), *K[1:]]}, True, id='not_a_number'),
            pytest.param(CALIBRATED | {'d': [0.0] * 9000}, True, id='without_measure'),
        ],
    )
    def test_one_of_no_use(self, opened, tmp_path, caplog, info, warns):
        path = write_bag(tmp_path / 'drive', [40], camera_info=info)
        assert opened(f'bag://{path}').read().calibration is None
        assert ('/camera/camera_info of the bag is not used: ' in caplog.text) is warns
