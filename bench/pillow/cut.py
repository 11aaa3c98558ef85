"""The same plates by Pillow: cut.py PICTURES. Prints a line for each picture and place, with its milliseconds of the processor."""

import io
import sys
import time
from pathlib import Path
from statistics import median

from PIL import Image

RUNS = 15


def cut(data: bytes, x: int, y: int) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        plate = picture.crop((x, y, x + 300, y + 100))
    written = io.BytesIO()
    plate.save(written, "JPEG", quality=90)
    return written.getvalue()


for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    width, height = Image.open(path).size
    places = {
        "top": (width // 2, height // 16),
        "middle": (width // 2, height // 2),
        "worst": (width - 300, height - 100),
    }
    for place, (x, y) in places.items():
        times = []
        for _ in range(RUNS):
            start = time.thread_time()
            cut(data, x, y)
            times.append((time.thread_time() - start) * 1000)
        print(path.stem, place, "pillow", median(times))
