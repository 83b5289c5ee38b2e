"""The frame of a camera in tf, by its place in the graph."""

from __future__ import annotations

USUAL_NODE = 'camera_node'
"""The name of a camera's node that says nothing of the camera."""
ALONE = 'camera'
"""The frame of a camera without a namespace or a name of its own."""


def frame_of_camera(namespace: str, name: str) -> str:
    """A frame that no camera in another namespace, or of another name, has.

    Examples
    --------
    >>> print(frame_of_camera('/rig/left', 'camera_node'), frame_of_camera('/', 'left'))
    rig_left left
    """
    parts = [part for part in namespace.split('/') if part]
    if name != USUAL_NODE:
        parts.append(name)
    return '_'.join(parts) or ALONE
