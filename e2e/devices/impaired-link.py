"""A link between two networks that delays and loses frames, for kernels without tc-netem(8).

Makes two TAP devices (Linux: Documentation/networking/tuntap.rst), of which the caller moves one into the other network, says
`ready`, and hands on what is sent by either until it is stopped; then both are gone.

    impaired-link.py HERE THERE DELAY_MS LOSS SEED

DELAY_MS is that of one direction, LOSS the share of frames that are lost in each, 0 to 1, independent of one another.
"""

import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import sys
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000

# Of an Ethernet frame with everything that may stand before 1,500 bytes of payload.
LARGEST_FRAME = 2_048


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
    under_way = []
    # Frames of the same moment keep their order.
    order = itertools.count()
    print("ready", flush=True)
    while True:
        wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
        for device in select.select([here, there], [], [], wait)[0]:
            for frame in frames(device):
                if chance.random() >= loss:
                    heapq.heappush(under_way, (time.monotonic() + delay, next(order), other_end[device], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, device, frame = heapq.heappop(under_way)
            try:
                os.write(device, frame)
            except OSError:
                # Its other end is down: lost, as on any link.
                pass


main()
