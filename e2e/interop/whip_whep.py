"""A WHIP publisher and a WHEP viewer on aiortc, a WebRTC stack that shares no code with Footlight's two.

whip_whep.py publish URL [--codec H264]   moving bars and a 440 Hz tone, until it is ended
whip_whep.py watch URL                    prints one JSON object a second about what it has decoded
"""

import argparse
import asyncio
import fractions
import json
import math
import sys
import urllib.request
from urllib.parse import urljoin

import numpy
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, VideoStreamTrack, MediaStreamTrack
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT = 320, 240
SAMPLE_RATE = 48_000
SAMPLES = SAMPLE_RATE // 50  # 20 ms
TONE_HZ = 440


class Bars(VideoStreamTrack):
    """A white bar that moves over black, a step per frame."""

    step = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        picture = numpy.zeros((HEIGHT, WIDTH, 3), dtype=numpy.uint8)
        left = (self.step * 4) % WIDTH
        picture[:, left : left + WIDTH // 4] = 255
        self.step += 1
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    """A sine, paced by the clock."""

    kind = "audio"
    sent = 0
    begun = None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self.begun = self.begun or loop.time()
        await asyncio.sleep(self.begun + self.sent / SAMPLE_RATE - loop.time())
        times = (numpy.arange(SAMPLES) + self.sent) / SAMPLE_RATE
        sine = numpy.sin(2 * math.pi * TONE_HZ * times) * 8_000
        frame = AudioFrame.from_ndarray(sine.astype(numpy.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self.sent, fractions.Fraction(1, SAMPLE_RATE)
        self.sent += SAMPLES
        return frame


def request(method, url, body=None, headers=None):
    message = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    with urllib.request.urlopen(message, timeout=30) as response:
        return response.status, response.headers, response.read().decode()


async def negotiate(connection, url):
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp.encode()
    status, headers, answer = await asyncio.to_thread(
        request, "POST", url, offer, {"Content-Type": "application/sdp"}
    )
    if status != 201:
        raise SystemExit(f"{url} answers {status}")
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    return urljoin(url, headers["Location"])


async def publish(url, codec):
    connection = RTCPeerConnection()
    connection.addTransceiver(Tone(), direction="sendonly")
    video = connection.addTransceiver(Bars(), direction="sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    video.setCodecPreferences([c for c in codecs if c.mimeType == f"video/{codec}"])
    resource = await negotiate(connection, url)
    print(json.dumps({"resource": resource}), flush=True)
    await asyncio.Event().wait()


class Seen:
    """What was decoded so far."""

    def __init__(self):
        self.frames = 0
        self.size = None
        self.changes = 0
        self.samples = 0
        self.frequency = None

    async def pictures(self, track):
        before = None
        while True:
            frame = await track.recv()
            luma = frame.to_ndarray(format="gray").astype(numpy.int16)
            self.frames += 1
            self.size = [frame.width, frame.height]
            if before is not None and before.shape == luma.shape and numpy.abs(luma - before).max() > 60:
                self.changes += 1
            before = luma

    async def sound(self, track):
        heard = numpy.zeros(0)
        while True:
            frame = await track.recv()
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            self.samples += len(samples)
            heard = numpy.concatenate([heard, samples])
            if len(heard) >= frame.sample_rate:
                spectrum = numpy.abs(numpy.fft.rfft(heard * numpy.hanning(len(heard))))
                self.frequency = float(spectrum.argmax() * frame.sample_rate / len(heard))
                heard = numpy.zeros(0)


async def watch(url):
    connection = RTCPeerConnection()
    connection.addTransceiver("audio", direction="recvonly")
    connection.addTransceiver("video", direction="recvonly")
    seen = Seen()
    readers = []

    @connection.on("track")
    def on_track(track):
        read = seen.pictures if track.kind == "video" else seen.sound
        readers.append(asyncio.ensure_future(read(track)))

    resource = await negotiate(connection, url)
    print(json.dumps({"resource": resource}), flush=True)
    while True:
        await asyncio.sleep(1)
        for reader in readers:
            if reader.done() and not isinstance(reader.exception(), MediaStreamError):
                raise reader.exception()
        print(json.dumps(vars(seen)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["publish", "watch"])
    parser.add_argument("url")
    parser.add_argument("--codec", default="H264")
    args = parser.parse_args()
    asyncio.run(publish(args.url, args.codec) if args.action == "publish" else watch(args.url))


if __name__ == "__main__":
    sys.exit(main())
