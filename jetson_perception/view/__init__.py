"""The live view: a page for browsers, and the web server that gives it.

Nothing here knows ROS: what the page shows comes from a `robot.Robot`. All of it runs in one
asyncio loop; a robot may have threads of its own. The server is aiohttp: small, with WebSockets
and a client, and Ubuntu 22.04 and 24.04 have it (python3-aiohttp), PyPI for aarch64 too.
"""
