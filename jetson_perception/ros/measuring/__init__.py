"""Measures topics from outside: `jetson-perception bench --ros` and `doctor --topic`.

`image_sender` is the process that sends pictures, and `sending` starts several of it;
`answers` hears what comes for them, by stamps that `message_types` reads from any message.
"""
