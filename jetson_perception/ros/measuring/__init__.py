"""Measures topics from outside: `jetson-perception bench --ros`, `trace` and `doctor --topic`.

For `bench --ros`, `sending` starts processes of `sender_process`, which send a picture; `answers`
hears what comes for it, by stamps that `message_types` reads from any message. `camera_topic`
measures one topic with an `ear`, and `tracing` asks nodes for traces.
"""
