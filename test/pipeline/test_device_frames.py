"""Frames on a GPU's stand-in: uploaded once, fitted once a kind of input, slots used again."""

import threading

import cv2
import numpy as np
import pytest
import standin_nvjpeg
from pipeline.standin_device_path import StandInPreprocess
from pipeline.waiting import DEADLINE_S, wait_until

from jetson_perception.cuda import DeviceBuffer
from jetson_perception.errors import CudaError, ImageError
from jetson_perception.images.encodings import decode_compressed, view
from jetson_perception.pipeline import Frame, JpegBytes, RawImage, StageTimes
from jetson_perception.pipeline.device_frames import DeviceFrames
from jetson_perception.pipeline.frame import TensorPool


class Lanes:
    """Lanes that take tensors of frames, each on a stream and into an input of its own."""

    def __init__(self, standin, device, keys):
        self.device = device
        self.frames = DeviceFrames(device)
        self.preprocess = [StandInPreprocess(standin, device, key) for key in keys]
        self.times = [StageTimes() for _ in keys]
        self.inputs = [
            self.frames.add(preprocess, times)
            for preprocess, times in zip(self.preprocess, self.times, strict=True)
        ]
        self.streams = [device.new_stream() for _ in keys]
        self.targets = [DeviceBuffer(device, (1,), np.float32) for _ in keys]

    def take(self, frame, lane=0, read_image=None):
        """What a lane does with a frame; returns the tensor."""
        with self.device.pushed():
            tensor = frame.device_tensor(self.inputs[lane])
            tensor.take(self.inputs[lane], self.targets[lane], self.streams[lane], read_image)
        self.release(frame)
        return tensor

    def release(self, frame):
        with self.device.pushed():
            frame.release()

    def value(self, standin, lane=0):
        """What the lane's engine would see."""
        with self.device.pushed():
            self.streams[lane].synchronize()
        return standin.view(self.targets[lane].address, (1,), np.float32)[0]

    def close(self):
        self.frames.close()
        for each in (*self.preprocess, *self.streams, *self.targets):
            each.close()


@pytest.fixture
def lanes_of(standin, device):
    made = []

    def make(*keys):
        made.append(Lanes(standin, device, keys))
        return made[-1]

    yield make
    for each in made:
        each.close()


def frame(value, users=1, shape=(4, 6, 3)):
    made = Frame(lambda: np.full(shape, value, np.uint8))
    made.share(1, users, TensorPool())
    return made


@pytest.mark.parametrize(
    'raw',
    [
        pytest.param(RawImage(np.zeros((4, 6), np.uint8), 'bgr8', 6, 4), id='gray'),
        pytest.param(RawImage(np.zeros((4, 6, 3), np.uint8), 'bgra8', 6, 4), id='channels'),
        pytest.param(RawImage(np.zeros((4, 6, 3), np.float32), 'bgr8', 6, 4), id='float'),
        pytest.param(RawImage(np.zeros((4, 2, 3), np.uint16), 'bgr8', 4, 4), id='as_many_bytes'),
        pytest.param(RawImage(np.zeros((4, 6), np.uint8), 'nv12', 6, 4), id='no_chroma'),
        pytest.param(RawImage(np.zeros((6, 4, 3), np.uint8), 'bgr8', 6, 4), id='transposed'),
    ],
)
def test_pixels_that_do_not_match_their_description(lanes_of, raw):
    lanes = lanes_of('a')
    wrong = Frame(lambda: None, raw=raw)
    wrong.share(1, 1, TensorPool())
    with pytest.raises(ImageError, match=r'pass the result of images\.encodings\.view'):
        lanes.take(wrong)
    lanes.release(wrong)
    lanes.take(frame(3))


def test_closing_without_any_frame_leaves_nothing(lanes_of):
    lanes = lanes_of('a')
    lanes.close()
    lanes.frames.close()


def test_a_frame_comes_to_the_engines_input(standin, lanes_of):
    lanes = lanes_of('a')
    tensor = lanes.take(frame(7))
    assert lanes.value(standin) == 7
    assert tensor.transform == (6, 4, 'bgr8')


def test_lanes_of_one_input_have_it_uploaded_and_fitted_once(standin, lanes_of):
    lanes = lanes_of('a', 'a', 'b')
    shared = frame(9, users=3)
    tensors = [lanes.take(shared, lane) for lane in range(3)]
    assert tensors[0] is tensors[1]
    assert tensors[2] is not tensors[0]
    assert [lanes.value(standin, lane) for lane in range(3)] == [9, 9, 9]
    assert [len(each.images) for each in lanes.preprocess] == [1, 0, 1]
    assert lanes.preprocess[0].images == lanes.preprocess[2].images
    assert standin.launches.count('fit') == 2


@pytest.mark.parametrize('encoding', ['bgr8', 'mono8', 'yuyv', 'nv12', 'bayer_rggb8'])
@pytest.mark.parametrize('padding', [0, 5])
def test_the_messages_bytes_are_uploaded_without_the_padding_of_rows(
    standin, lanes_of, encoding, padding
):
    width, height = 6, 4
    bytes_per_pixel = {'bgr8': 3, 'yuyv': 2}.get(encoding, 1)
    rows = height * 3 // 2 if encoding == 'nv12' else height
    step = width * bytes_per_pixel + padding
    data = np.arange(rows * step, dtype=np.uint8)
    pixels = view(data, height, width, encoding, step)

    def convert():
        raise AssertionError('the image was converted on the CPU')

    made = Frame(convert, raw=RawImage(pixels, encoding, width, height))
    made.share(1, 1, TensorPool())
    lanes = lanes_of('a')
    lanes.take(made)
    lanes.value(standin)
    (image,) = lanes.preprocess[0].images
    assert (image.width, image.height, image.encoding) == (width, height, encoding)
    assert image.step == width * bytes_per_pixel
    assert image.nbytes == rows * image.step
    there = standin.view(image.address, (rows, image.step), np.uint8)
    assert np.array_equal(there, data.reshape(rows, step)[:, : image.step])


def test_an_array_whose_pixels_are_apart_is_uploaded_as_it_looks(standin, lanes_of):
    lanes = lanes_of('a')
    picture = np.arange(4 * 12 * 3, dtype=np.uint8).reshape(4, 12, 3)[:, ::2, ::-1]
    made = Frame(lambda: picture)
    made.share(1, 1, TensorPool())
    lanes.take(made)
    lanes.value(standin)
    (image,) = lanes.preprocess[0].images
    assert np.array_equal(standin.view(image.address, (4, 6, 3), np.uint8), picture)


def test_in_steady_state_nothing_is_allocated(standin, lanes_of):
    lanes = lanes_of('a', 'b')
    for number in range(40):
        shared = frame(number, users=2)
        lanes.take(shared, 0)
        lanes.take(shared, 1)
        if number == 10:
            allocations = standin.allocations
    assert standin.allocations == allocations
    assert [lanes.value(standin, lane) for lane in range(2)] == [39, 39]


def test_frames_of_changing_size_each_arrive_whole(standin, lanes_of):
    lanes = lanes_of('a')
    generator = np.random.default_rng(5)
    for _ in range(30):
        height, width = generator.integers(1, 400, 2)
        value = int(generator.integers(256))
        lanes.take(frame(value, shape=(height, width, 3)))
        assert lanes.value(standin) == value
        image = lanes.preprocess[0].images[-1]
        assert (image.width, image.height) == (width, height)
        assert (standin.view(image.address, (height, width, 3), np.uint8) == value).all()


def let_others_pass(lanes, standin, reading, held):
    """Many more frames come for lane 0, and find slots, while lane 1 is held in its first."""
    waiting = threading.Thread(target=lanes.value, args=(standin, 1))
    waiting.start()
    assert reading.wait(DEADLINE_S)
    for number in range(2, 12):
        lanes.take(frame(number), 0)
        assert lanes.value(standin, 0) == number
    held.set()
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()


def test_a_slot_that_a_slow_lane_still_has_to_read_is_not_used_again(standin, lanes_of):
    lanes = lanes_of('a', 'a')
    held, reading = threading.Event(), threading.Event()
    slow = standin.streams[lanes.streams[1].handle]

    def hold():
        reading.set()
        assert held.wait(DEADLINE_S)

    # The slow lane's engine is busy: what it enqueues now runs only when that is over.
    standin.enqueue(slow, 'busy', hold)
    first = frame(1, users=2)
    lanes.take(first, 0)
    lanes.take(first, 1)
    let_others_pass(lanes, standin, reading, held)
    assert lanes.value(standin, 1) == 1


def test_a_slot_whose_image_a_lane_still_has_to_read_is_not_used_again(standin, device, lanes_of):
    lanes = lanes_of('a', 'a')
    held, reading = threading.Event(), threading.Event()
    mine = DeviceBuffer(device, (4 * 6 * 3,), np.uint8)

    def hold():
        reading.set()
        assert held.wait(DEADLINE_S)

    def read(image):
        # The lane's stream stops between the tensor's copy and the image's.
        standin.enqueue(standin.streams[lanes.streams[1].handle], 'busy', hold)
        mine.copy_from_address(image.address, lanes.streams[1], image.nbytes)

    first = frame(1, users=2)
    lanes.take(first, 0)
    lanes.take(first, 1, read)
    let_others_pass(lanes, standin, reading, held)
    assert (standin.view(mine.address, mine.shape, np.uint8) == 1).all()
    mine.close()


def test_a_frame_that_one_lane_has_not_begun_keeps_its_slot(standin, lanes_of):
    lanes = lanes_of('a', 'a')
    waiting = frame(50, users=2)
    lanes.take(waiting, 0)
    for number in range(10):
        lanes.take(frame(number), 0)
        lanes.value(standin, 0)
    lanes.take(waiting, 1)
    assert lanes.value(standin, 1) == 50
    assert len(lanes.preprocess[0].images) == 11
    assert not lanes.preprocess[1].images


def test_gpu_times_go_to_every_lane_that_took_the_frame(standin, lanes_of):
    lanes = lanes_of('a', 'a', 'b')
    shared = frame(1, users=3)
    lanes.take(shared, 0)
    lanes.take(shared, 1)
    lanes.release(shared)  # the third lane skipped it
    lanes.value(standin, 0)
    lanes.value(standin, 1)
    lanes.frames.close()
    for lane in (0, 1):
        summary = lanes.times[lane].summary()
        assert {stage: times.samples for stage, times in summary.items()} == {
            'upload': 1,
            'preprocess': 1,
        }
        assert summary['upload'].median_ms > 0
        assert summary['preprocess'].median_ms > 0
    assert not lanes.times[2].summary()


def test_an_image_that_cannot_be_loaded_takes_no_slot(standin, lanes_of):
    def load():
        raise ImageError('image is 0×0')

    lanes = lanes_of('a', 'a')
    broken = Frame(load)
    broken.share(1, 2, TensorPool())
    for lane in range(2):
        with pytest.raises(ImageError, match='0×0'):
            lanes.take(broken, lane)
        lanes.release(broken)
    lanes.take(frame(3))
    assert lanes.value(standin) == 3


def is_done(frame):
    """Whether nobody uses a frame any more."""
    if frame.hold():
        frame.release()
        return False
    return True


class TestUploadAhead:
    def test_a_lane_finds_the_frame_uploaded(self, standin, lanes_of):
        lanes = lanes_of('a', 'a')
        threads = []

        def load():
            threads.append(threading.current_thread().name)
            return np.full((4, 6, 3), 7, np.uint8)

        waiting = Frame(load)
        waiting.share(1, 2, TensorPool())
        lanes.frames.upload_ahead(waiting)
        lanes.frames.upload_ahead(waiting)  # another lane asks too
        wait_until(lambda: threads)
        for lane in range(2):
            lanes.take(waiting, lane)
            assert lanes.value(standin, lane) == 7
        assert threads == ['upload']
        assert standin.launches.count('fit') == 1
        wait_until(lambda: is_done(waiting))

    def test_a_frame_that_all_lanes_are_done_with_is_left_alone(self, standin, lanes_of):
        lanes = lanes_of('a')
        for number in range(20):  # more than there are slots
            done = frame(number)
            lanes.take(done)
            lanes.frames.upload_ahead(done)
            assert is_done(done)
            assert lanes.value(standin) == number

    def test_frames_that_nobody_takes_give_their_slots_back(self, standin, lanes_of):
        lanes = lanes_of('a')
        for number in range(50):
            skipped = frame(number)
            lanes.frames.upload_ahead(skipped)
            lanes.release(skipped)
            wait_until(lambda skipped=skipped: is_done(skipped))
        allocations = standin.allocations
        lanes.take(frame(9))
        assert lanes.value(standin) == 9
        assert standin.allocations <= allocations + 1  # the tensor of the first one taken

    def test_an_image_that_cannot_be_loaded_is_left_to_the_lane_to_report(
        self, standin, lanes_of, caplog
    ):
        def load():
            loading.set()
            raise ImageError('image is 0×0')

        lanes = lanes_of('a')
        loading = threading.Event()
        broken = Frame(load)
        broken.share(1, 1, TensorPool())
        lanes.frames.upload_ahead(broken)
        assert loading.wait(DEADLINE_S)
        with pytest.raises(ImageError, match='0×0'):
            lanes.take(broken)
        lanes.release(broken)
        lanes.frames.upload_ahead(second := frame(3))
        lanes.take(second)
        assert lanes.value(standin) == 3
        assert not caplog.records

    def test_closing_while_frames_wait(self, lanes_of):
        lanes = lanes_of('a')
        begun, held = threading.Event(), threading.Event()

        def load():
            begun.set()
            assert held.wait(DEADLINE_S)
            return np.zeros((4, 6, 3), np.uint8)

        slow, waiting = Frame(load), frame(1)
        slow.share(1, 1, TensorPool())
        lanes.frames.upload_ahead(slow)
        assert begun.wait(DEADLINE_S)
        lanes.frames.upload_ahead(waiting)
        closing = threading.Thread(target=lanes.frames.close)
        closing.start()
        lanes.release(waiting)
        wait_until(lambda: is_done(waiting))  # the thread will not take it any more
        held.set()
        closing.join(DEADLINE_S)
        assert not closing.is_alive()
        assert not any(thread.name == 'upload' for thread in threading.enumerate())


class TestFullMemory:
    @pytest.fixture
    def standin_options(self):
        return {'total_memory': 300_000}

    def test_an_image_that_does_not_fit_fails_and_the_next_runs(self, standin, lanes_of):
        lanes = lanes_of('a')
        for number in range(5):
            huge = frame(1, shape=(400, 400, 3))
            with pytest.raises(CudaError, match='the GPU is full'):
                lanes.take(huge)
            lanes.release(huge)
            lanes.take(frame(number))
            assert lanes.value(standin) == number


class TestIntegrated:
    @pytest.fixture
    def standin_options(self):
        return {'integrated': True}

    def test_the_kernel_reads_the_hosts_memory_in_place(self, standin, lanes_of):
        lanes = lanes_of('a', 'b')
        for number in range(10):
            shared = frame(number, users=2)
            lanes.take(shared, 0)
            lanes.take(shared, 1)
            assert [lanes.value(standin, lane) for lane in range(2)] == [number, number]
        image = lanes.preprocess[0].images[-1]
        assert standin.find(image.address, 1)[0].array is not None
        lanes.frames.close()
        assert set(lanes.times[0].summary()) == {'preprocess'}
        assert lanes.times[0].summary()['preprocess'].samples == 10


PICTURE = cv2.GaussianBlur(
    np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8), (5, 5), 0
)


def jpeg_of(bgr):
    return cv2.imencode('.jpg', bgr)[1].tobytes()


class OfJpeg(Frame):
    """A frame that counts how often the CPU decodes it."""

    def __init__(self, data, max_pixels=1 << 20):
        self.decoded = 0
        super().__init__(self._decode, jpeg=JpegBytes(data, max_pixels))
        self._data, self._max_pixels = data, max_pixels
        self.share(1, 1, TensorPool())

    def _decode(self):
        self.decoded += 1
        return decode_compressed(self._data, '', self._max_pixels)


class TestJpegs:
    @pytest.fixture(autouse=True)
    def nvjpeg(self, monkeypatch, standin):
        return standin_nvjpeg.install(monkeypatch, standin)

    def test_they_are_decoded_on_the_gpu_and_their_size_is_known(self, standin, lanes_of):
        lanes = lanes_of('a')
        for bgr, encoding in ((PICTURE, 'bgr8'), (PICTURE[:9, :7, 0], 'mono8')):
            made = OfJpeg(jpeg_of(bgr))
            lanes.take(made)
            expected = decode_compressed(jpeg_of(bgr))
            assert lanes.value(standin) == expected[0, 0, 0]
            image = lanes.preprocess[0].images[-1]
            assert (image.height, image.width, image.encoding) == (*bgr.shape[:2], encoding)
            assert image.nbytes == bgr.size
            there = standin.view(image.address, bgr.shape, np.uint8)
            assert np.array_equal(there, expected if bgr.ndim == 3 else expected[..., 0])
            assert made.size_wh() == bgr.shape[1::-1]
            assert made.decoded == 0

    def test_who_wants_pixels_on_the_cpu_gets_them(self, standin, lanes_of, nvjpeg):
        lanes = lanes_of('a')
        made = OfJpeg(jpeg_of(PICTURE))
        made.share(1, 2, TensorPool())
        lanes.take(made)
        assert np.array_equal(made.bgr(), decode_compressed(jpeg_of(PICTURE)))
        taken = len(nvjpeg.decoded)
        lanes.release(made)
        drawn = OfJpeg(jpeg_of(PICTURE))
        drawn.bgr()  # before the lane comes: then its pixels are there
        lanes.take(drawn)
        assert len(nvjpeg.decoded) == taken
        assert drawn.decoded == made.decoded == 1

    @pytest.mark.parametrize(
        'data',
        [
            pytest.param(jpeg_of(PICTURE)[:-2], id='no_end_mark'),
            pytest.param(
                cv2.imencode('.jpg', PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
                id='progressive',
            ),
            pytest.param(cv2.imencode('.png', PICTURE)[1].tobytes(), id='png'),
        ],
    )
    def test_all_but_plain_ones_are_decoded_on_the_cpu(self, standin, lanes_of, data):
        lanes = lanes_of('a')
        made = OfJpeg(data)
        lanes.take(made)
        assert lanes.value(standin) == decode_compressed(data)[0, 0, 0]
        assert made.decoded == 1

    @pytest.mark.parametrize(
        ('data', 'most', 'reason'),
        [
            pytest.param(b'', 1 << 20, 'has no data', id='empty'),
            pytest.param(b'text', 1 << 20, 'not a picture', id='text'),
            pytest.param(jpeg_of(PICTURE)[:500], 1 << 20, 'damaged', id='cut_off'),
            pytest.param(jpeg_of(PICTURE), 1000, 'max_image_pixels is 1000', id='too_large'),
        ],
    )
    def test_what_the_cpu_refuses_is_refused(self, standin, lanes_of, data, most, reason):
        lanes = lanes_of('a')
        for _ in range(20):  # more than there are slots
            made = OfJpeg(data, most)
            with pytest.raises(ImageError, match=reason):
                lanes.take(made)
            lanes.release(made)
        lanes.take(good := OfJpeg(jpeg_of(PICTURE)))
        assert good.decoded == 0

    def test_what_nvjpeg_refuses_is_decoded_on_the_cpu(self, standin, lanes_of, nvjpeg):
        lanes = lanes_of('a')
        lanes.take(OfJpeg(jpeg_of(PICTURE)))
        nvjpeg.status = standin_nvjpeg.NOT_SUPPORTED
        for _ in range(20):
            made = OfJpeg(jpeg_of(PICTURE))
            lanes.take(made)
            assert made.decoded == 1
            assert lanes.value(standin) == made.bgr()[0, 0, 0]

    def test_in_steady_state_nothing_is_allocated_and_slots_are_not_written_early(
        self, standin, lanes_of
    ):
        lanes = lanes_of('a', 'b')
        data = [jpeg_of(np.full((48, 64, 3), level, np.uint8)) for level in (20, 120, 220)]
        for number in range(40):
            made = OfJpeg(data[number % 3])
            made.share(1, 2, TensorPool())
            lanes.take(made, 0)
            lanes.take(made, 1)
            if number == 12:
                allocations = standin.allocations
        assert standin.allocations == allocations
        assert [lanes.value(standin, lane) for lane in range(2)] == [20, 20]
        lanes.frames.close()
        assert {'upload', 'preprocess'} <= set(lanes.times[0].summary())

    def test_whoever_is_told_to_uses_the_cpu(self, standin, device, lanes_of, nvjpeg):
        frames = DeviceFrames(device, 'cpu')
        with device.pushed():
            assert frames.upload_jpeg(JpegBytes(jpeg_of(PICTURE), 1 << 20)) is None
        frames.close()
        assert not nvjpeg.opened

    class TestIntegrated:
        @pytest.fixture
        def standin_options(self):
            return {'integrated': True}

        def test_they_take_turns_with_images_that_are_read_in_place(self, standin, lanes_of):
            lanes = lanes_of('a')
            for number in range(12):
                made = OfJpeg(jpeg_of(PICTURE)) if number % 2 else frame(number)
                lanes.take(made)
                expected = made.bgr()[0, 0, 0] if number % 2 else number
                assert lanes.value(standin) == expected
            lanes.frames.close()
            assert lanes.times[0].summary()['upload'].samples == 6


def test_many_threads_and_frames_see_their_own_pixels(standin, lanes_of):
    lanes = lanes_of('a', 'a', 'b', 'b')
    frames = [frame(number % 251, users=4) for number in range(200)]
    wrong = []

    def run(lane):
        for number, each in enumerate(frames):
            lanes.take(each, lane)
            if number % (lane + 1) == 0 and lanes.value(standin, lane) != number % 251:
                wrong.append((lane, number))

    threads = [threading.Thread(target=run, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
