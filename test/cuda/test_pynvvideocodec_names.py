"""The stand-in for PyNvVideoCodec has the real one's names, where that can be imported."""

import importlib
import inspect
import re

import pytest
import standin_pynvvideocodec as standin


@pytest.fixture(scope='module')
def real():
    try:
        return importlib.import_module('PyNvVideoCodec')
    except Exception as error:  # noqa: BLE001 - without a driver it raises anything
        pytest.skip(f'no PyNvVideoCodec: {str(error)[:200]}')


ENUMS = (
    standin.VideoPacketFlag,
    standin.DisplayDecodeLatencyType,
    standin.OutputColorType,
    standin.cudaVideoCodec,
    standin.Pixel_Format,
)
CLASSES = {
    standin.PacketData: standin.PacketData.__slots__,
    standin.PyNvDecoder: ('Decode', 'WaitOnCUStream'),
    standin.DecodedFrame: ('cuda', 'format', 'getPTS'),
    standin.CAIMemoryView: ('dataptr', 'shape', 'stride'),
}


@pytest.mark.parametrize('enum', ENUMS, ids=lambda each: each.__name__)
def test_members_have_the_same_values(real, enum):
    members = getattr(real, enum.__name__).__members__
    assert {each.name: members[each.name].value for each in enum} == {
        each.name: each.value for each in enum
    }


@pytest.mark.parametrize(('kind', 'names'), CLASSES.items(), ids=lambda each: str(each)[:20])
def test_classes_have_the_same_attributes(real, kind, names):
    theirs = getattr(real, kind.__name__)
    assert not [name for name in names if not hasattr(theirs, name)]


def test_a_decoder_is_made_with_the_same_arguments(real):
    text = re.search(r'1\. CreateDecoder\((.*)\) ->', real.CreateDecoder.__doc__)[1]
    names = re.findall(r'(\w+): [\w.]+ = ', text)
    ours = inspect.signature(standin.StandinPyNvVideoCodec.CreateDecoder)
    assert [*ours.parameters][1:] == names


def test_capabilities_are_asked_for_with_the_same_arguments(real):
    text = re.search(r'GetDecoderCaps\((.*)\) ->', real.GetDecoderCaps.__doc__)[1]
    ours = inspect.signature(standin.StandinPyNvVideoCodec.GetDecoderCaps)
    assert [*ours.parameters][1:] == re.findall(r'(\w+): [\w.]+ = ', text)


def test_packets_take_integers_alone(real):
    for packet in (real.PacketData(), standin.PacketData()):
        packet.bsl, packet.bsl_data, packet.pts = 3, 1 << 40, -5
        assert (packet.bsl, packet.bsl_data, packet.pts) == (3, 1 << 40, -5)
        with pytest.raises(TypeError):
            packet.bsl_data = b'abc'


def test_views_of_planes_have_addresses_and_strides(real):
    view = real.CAIMemoryView([4, 6, 1], [8, 1, 1], '|u1', 77, 1234, False)
    assert (view.dataptr, [*view.shape], [*view.stride]) == (1234, [4, 6, 1], [8, 1, 1])
