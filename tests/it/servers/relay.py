"""A stdio server whose lines are written by a test: stdin and stdout are carried over a socket.

It knows nothing of MCP. It ends when the test hangs up.
"""

import os
import socket
import sys
import threading

peer = socket.create_connection(("127.0.0.1", int(os.environ["RELAY_PORT"])))


def hear():
    """stdin to the test; its end is passed on."""
    while chunk := os.read(0, 1 << 16):
        peer.sendall(chunk)
    peer.shutdown(socket.SHUT_WR)


def speak():
    """The test to stdout; when the test hangs up, so does this process."""
    while chunk := peer.recv(1 << 16):
        while chunk:
            chunk = chunk[os.write(1, chunk):]


threading.Thread(target=hear, daemon=True).start()
try:
    speak()
except OSError:
    pass
sys.stdout = None
os._exit(int(os.environ.get("RELAY_EXIT", "3")))
