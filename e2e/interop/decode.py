"""Decodes a recording with FFmpeg's libraries, and says what is in it, as JSON."""

import json
import sys

import av


def main(path: str) -> None:
    told = {"pictures": 0, "width": 0, "height": 0, "seconds": 0.0, "rate": 0}
    with av.open(path) as file:
        for frame in file.decode(*file.streams):
            if isinstance(frame, av.VideoFrame):
                told["pictures"] += 1
                told["width"], told["height"] = frame.width, frame.height
            else:
                told["seconds"] += frame.samples / frame.sample_rate
                told["rate"] = frame.sample_rate
    print(json.dumps(told))


main(sys.argv[1])
