"""What the id of a publisher or a subscription tells of its process.

An id (GUID) begins with 12 bytes of its participant: the vendor, then what the vendor likes. Fast
DDS puts there two bytes that are equal on one host, the lower 16 bits of the process id, two
random bytes, and the number of the participant (`GuidUtils.hpp`).
"""

from __future__ import annotations

from typing import NamedTuple

_FAST_DDS = bytes((0x01, 0x0F))
_PARTICIPANT_BYTES = 12
PID_MODULUS = 1 << 16
"""An id holds a process id modulo this."""


class Guid(NamedTuple):
    """The id of an endpoint, as `endpoint_gid` of rclpy has it.

    Attributes
    ----------
    data : bytes
        At least the 12 bytes of its participant.
    """

    data: bytes

    @property
    def of_fast_dds(self) -> bool:
        """Whether Fast DDS made it, so that the rest can be read."""
        return len(self.data) >= _PARTICIPANT_BYTES and self.data.startswith(_FAST_DDS)

    @property
    def participant(self) -> bytes:
        """What all endpoints of one participant share."""
        return self.data[:_PARTICIPANT_BYTES]

    @property
    def pid_modulo(self) -> int:
        """Its process id modulo `PID_MODULUS`, as its own container counts processes."""
        return int.from_bytes(self.data[4:6], 'little')

    def on_host_of(self, other: Guid) -> bool:
        """Whether both are on one host, or in containers that share its network."""
        known = self.of_fast_dds and other.of_fast_dds
        return known and self.data[2:4] == other.data[2:4]

    def in_process_of(self, other: Guid) -> bool:
        """Whether both are in one process."""
        return self.on_host_of(other) and self.data[4:8] == other.data[4:8]
