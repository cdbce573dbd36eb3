"""Waits until nobody listens on the service's port: the `preStop` of the gateway's container.

All containers of a pod get their signal at once, and the streams that the service still ends need
the gateway. `python3 pre_stop.py PORT SECONDS` waits for at most so long.
"""

import socket
import sys
import time


def is_listened_on(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(port: int, seconds: float) -> None:
    latest = time.monotonic() + seconds
    while time.monotonic() < latest and is_listened_on(port):
        time.sleep(0.2)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
