"""A real RTSP server on the loopback interface, for test_rtsp.py; needs gst-rtsp-server and gi.

Usage: python3 rtsp_server.py PORT ENCODER [USER PASSWORD]; PORT 0 takes a free one. It prints the
port once it listens, and serves /ball until it is killed.
"""

import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions come first

PAYLOADS = {'jpegenc': 'rtpjpegpay', 'openh264enc': 'rtph264pay', 'x264enc': 'rtph264pay'}


def protect(server, factory, user, password):
    """Ask for a user and a password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', 'viewer')
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    role = 'viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true'
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))


def main(port, encoder, *credentials):
    """Serve until killed."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address='127.0.0.1', service=port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        '( videotestsrc is-live=true pattern=ball ! '
        'video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! '
        f'{encoder} ! {PAYLOADS[encoder]} name=pay0 )'
    )
    factory.set_shared(True)
    if credentials:
        protect(server, factory, *credentials)
    server.get_mount_points().add_factory('/ball', factory)
    if not server.attach(None):
        sys.exit(f'port {port} cannot be used')
    sys.stdout.write(f'{server.get_bound_port()}\n')
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == '__main__':
    main(*sys.argv[1:])
