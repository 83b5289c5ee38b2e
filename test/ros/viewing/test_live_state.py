from jetson_perception.ros.viewing.live_state import LiveState


def test_streams_are_known_while_somebody_follows_them():
    """What there was when somebody looked before may have ended since."""
    state = LiveState()
    assert state.read() is None
    state.set_streams(['/annotated'])
    number, told = state.read()
    assert told['streams'] == ['/annotated']
    state.clear()
    assert state.read() is None
    state.set_streams([])
    later, told = state.read()
    assert told['streams'] == []
    assert later != number


def test_settings_change_with_labels_and_notes():
    state = LiveState()
    state.set_streams([])

    def settings():
        return state.read()[1]['settings']

    seen = [settings()]
    for names in (['a'], ['a'], ['b']):
        state.put('labels', '/det/label_info', names)
        seen.append(settings())
    state.note_settings()
    seen.append(settings())
    assert seen[1] == seen[2]
    assert len(set(seen)) == 4
