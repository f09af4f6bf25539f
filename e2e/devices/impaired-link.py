"""A link between two networks that delays and loses frames, for kernels without tc-netem(8) and tc-police(8).

Makes two TAP devices (Linux: Documentation/networking/tuntap.rst), of which the caller moves one into the other network, says
`ready PORT`, and hands on what is sent by either until it is stopped; then both are gone.

    impaired-link.py HERE THERE DELAY_MS LOSS SEED

DELAY_MS is that of one direction, LOSS the share of frames that are lost in each, 0 to 1, independent of one another. What is above
a rate is lost once a datagram to the UDP port on loopback says so, which holds three numbers in decimal: the kilobits per second
from HERE and from THERE, and the milliseconds of them that pass at once after a pause.
"""

import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import sys
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000

# Of an Ethernet frame with everything that may stand before 1,500 bytes of payload.
LARGEST_FRAME = 2_048


class Policer:
    """A token bucket (RFC 2697, section 3, with one of its two)."""

    def __init__(self, kilobits, burst_ms):
        self.rate = kilobits * 1000 / 8
        self.most = self.rate * burst_ms / 1000
        self.tokens = self.most
        self.at = time.monotonic()

    def conforms(self, size):
        now = time.monotonic()
        self.tokens = min(self.tokens + self.rate * (now - self.at), self.most)
        self.at = now
        if size > self.tokens:
            return False
        self.tokens -= size
        return True


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def frames(device):
    while True:
        try:
            yield os.read(device, LARGEST_FRAME)
        except OSError:
            # Nothing more, or a device that is down.
            return


def main():
    here, there = tap(sys.argv[1]), tap(sys.argv[2])
    delay, loss = float(sys.argv[3]) / 1000, float(sys.argv[4])
    chance = random.Random(sys.argv[5])
    other_end = {here: there, there: here}
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    control.bind(("127.0.0.1", 0))
    policers = {}
    under_way = []
    # Frames of the same moment keep their order.
    order = itertools.count()
    print("ready", control.getsockname()[1], flush=True)
    while True:
        wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
        readable = select.select([here, there, control], [], [], wait)[0]
        if control in readable:
            from_here, from_there, burst_ms = (float(number) for number in control.recv(LARGEST_FRAME).split())
            policers = {here: Policer(from_here, burst_ms), there: Policer(from_there, burst_ms)}
        for device in (device for device in (here, there) if device in readable):
            for frame in frames(device):
                passes = device not in policers or policers[device].conforms(len(frame))
                if passes and chance.random() >= loss:
                    heapq.heappush(under_way, (time.monotonic() + delay, next(order), other_end[device], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, device, frame = heapq.heappop(under_way)
            try:
                os.write(device, frame)
            except OSError:
                # Its other end is down: lost, as on any link.
                pass


main()
