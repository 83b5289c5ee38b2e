"""What a lane asks of every model, for stand-ins to build upon."""


class StandInModel:
    """Runs on the CPU in any thread, and cannot be interrupted."""

    device_path = None

    def bind_thread(self):
        pass

    def interrupt(self):
        pass
