"""A stand-in for lgpio in a child process: lines of a chip that the test plays over a Unix socket.

As with the kernel's chip, what a process holds is let go when it ends, however it ends.
"""

import json
import os
import socket
import sys
import threading

if "gpiozero" in sys.modules:
    import gpiozero.pins.local

    gpiozero.pins.local.get_pi_revision = lambda: 0xC03111  # a Pi 4B

SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
OUT = 2

_lock = threading.Lock()
_socket = None
_outputs = {}


class error(Exception):
    pass


def _say(**what):
    with _lock:
        _socket.sendall(json.dumps(what).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += _socket.recv(4096) or b'{"error": "gone"}\n'
    told = json.loads(answer)
    if told.get("error"):
        raise error(told["error"])


def gpiochip_open(number):
    global _socket
    try:
        _socket = socket.socket(socket.AF_UNIX)
        _socket.connect(os.environ["PLAYED_CHIP"])
    except OSError:
        raise error("can not open gpiochip") from None
    return 1


def gpiochip_close(handle):
    _socket.close()


def gpio_claim_output(handle, pin, level=0, flags=0):
    _say(claim=pin, level=int(level))
    _outputs[pin] = int(level)


def gpio_claim_input(handle, pin, flags=0):
    _say(claim=pin, level=None)
    _outputs.pop(pin, None)


def gpio_claim_alert(handle, pin, edges, flags=0, notify=-1):
    gpio_claim_input(handle, pin)


def gpio_free(handle, pin):
    _outputs.pop(pin, None)


def gpio_write(handle, pin, level):
    _say(claim=pin, level=int(level))
    _outputs[pin] = int(level)


def tx_pwm(handle, pin, hz, duty, offset=0, cycles=0):
    gpio_write(handle, pin, duty > 0)


def gpio_read(handle, pin):
    return _outputs.get(pin, 1)  # buttons are open, and pulled up


def gpio_get_mode(handle, pin):
    return OUT if pin in _outputs else 0


class callback:
    def __init__(self, handle, pin, edges=RISING_EDGE, function=None):
        pass

    def cancel(self):
        pass
