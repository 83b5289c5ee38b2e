"""Whether a document is what viewers read: the fields of the Trace Event Format, one by one."""

from collections import defaultdict

_FIELDS = {
    'X': {'ph', 'name', 'cat', 'pid', 'tid', 'ts', 'dur', 'args'},
    's': {'ph', 'name', 'cat', 'pid', 'tid', 'ts', 'id'},
    't': {'ph', 'name', 'cat', 'pid', 'tid', 'ts', 'id', 'bp'},
    'f': {'ph', 'name', 'cat', 'pid', 'tid', 'ts', 'id', 'bp'},
    'M': {'ph', 'name', 'cat', 'pid', 'tid', 'ts', 'args'},
}
_METADATA = {
    'process_name': 'name',
    'thread_name': 'name',
    'process_sort_index': 'sort_index',
    'thread_sort_index': 'sort_index',
}


def check_document(document):
    """Raise AssertionError unless every event of a document, and all together, are valid."""
    assert set(document) == {'traceEvents', 'displayTimeUnit', 'otherData'}
    assert document['displayTimeUnit'] in ('ms', 'ns')
    rows = defaultdict(list)
    flows = defaultdict(list)
    named = set()
    for event in document['traceEvents']:
        _check_event(event)
        place = event['pid'], event['tid']
        if event['ph'] == 'X':
            rows[place].append(event)
        elif event['ph'] == 'M':
            named.add((event['name'], *place))
        else:
            flows[event['cat'], event['id']].append(event)
    for (pid, tid), events in rows.items():
        assert ('process_name', pid, 0) in named
        assert ('thread_name', pid, tid) in named
        _check_nesting(events)
    for events in flows.values():
        _check_flow(events, rows)


def _check_event(event):
    phase = event['ph']
    assert set(event) == _FIELDS[phase]
    assert isinstance(event['name'], str)
    assert isinstance(event['cat'], str)
    assert isinstance(event['pid'], int)
    assert isinstance(event['tid'], int)
    assert isinstance(event['ts'], (int, float))
    assert event['ts'] >= 0
    if phase == 'X':
        assert isinstance(event['dur'], (int, float))
        assert event['dur'] >= 0
        assert all(isinstance(value, (int, float, str)) for value in event['args'].values())
    if phase == 'M':
        assert list(event['args']) == [_METADATA[event['name']]]
        kind = str if event['name'].endswith('_name') else int
        assert isinstance(event['args'][_METADATA[event['name']]], kind)
    assert event.get('bp', 'e') == 'e'


def _ns(microseconds):
    return round(microseconds * 1000)


def _check_nesting(events):
    """Slices of a row contain each other or are apart."""
    ends = []
    for event in sorted(events, key=lambda each: (_ns(each['ts']), -_ns(each['dur']))):
        begun, ended = _ns(event['ts']), _ns(event['ts']) + _ns(event['dur'])
        while ends and ends[-1] <= begun:
            ends.pop()
        assert not ends or ended <= ends[-1], f'{event} overlaps another'
        ends.append(ended)


def _check_flow(events, rows):
    """An arrow begins once and ends once, in the order of time, each time within a slice."""
    assert [event['ph'] for event in events] == ['s', *'t' * (len(events) - 2), 'f']
    times = [event['ts'] for event in events]
    assert times == sorted(times)
    for event in events:
        assert any(
            each['ts'] <= event['ts'] < each['ts'] + each['dur']
            for each in rows[event['pid'], event['tid']]
        ), f'{event} is in no slice'
