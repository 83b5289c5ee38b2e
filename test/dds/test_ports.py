"""Which domain has which UDP port, and which ports hear announcements."""

import pytest

from jetson_perception.dds.ports import announcement_port, domain_of_port, is_announcement_port


@pytest.mark.parametrize(
    ('port', 'domain'),
    [
        pytest.param(0, None, id='none'),
        pytest.param(7399, None, id='below'),
        pytest.param(7400, 0, id='first'),
        pytest.param(7649, 0, id='last of a domain'),
        pytest.param(7650, 1, id='next domain'),
        pytest.param(65400, 232, id='last domain'),
        pytest.param(65650, None, id='above'),
    ],
)
def test_domain_of_a_port(port, domain):
    assert domain_of_port(port) == domain


@pytest.mark.parametrize(
    ('port', 'hears'),
    [
        pytest.param(80, False, id='below'),
        pytest.param(7400, False, id='multicast'),
        pytest.param(7410, True, id='first participant'),
        pytest.param(7411, False, id='data'),
        pytest.param(7648, True, id='last participant'),
        pytest.param(7650, False, id='next domain, multicast'),
        pytest.param(7660, True, id='next domain, first participant'),
    ],
)
def test_announcements(port, hears):
    assert is_announcement_port(port) is hears


def test_where_a_participant_listens():
    assert announcement_port(0, 0) == 7410
    assert announcement_port(7, 3) == 7400 + 250 * 7 + 10 + 2 * 3
