"""Adds up what the rounds printed: sum.py PICTURES PIXELS < LINES. Medians, ratios, and how near the pixels are to Pillow's."""

import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from PIL import Image, ImageChops, ImageStat

times = defaultdict(list)
for line in sys.stdin:
    name, place, way, ms = line.split()
    times[name, place, way].append(float(ms))
ms = {key: median(values) for key, values in times.items()}


def nearness(name: str, place: str) -> str:
    mine = Image.open(Path(sys.argv[2]) / f"{name}-{place}.png").convert("RGB")
    with Image.open(Path(sys.argv[1]) / f"{name}.jpg") as whole:
        width, height = whole.size
        x, y = {
            "top": (width // 2, height // 16),
            "middle": (width // 2, height // 2),
            "worst": (width - 300, height - 100),
        }[place]
        theirs = whole.convert("RGB").crop((x, y, x + 300, y + 100))
    squares = sum(ImageStat.Stat(ImageChops.difference(mine, theirs)).sum2) / (300 * 100 * 3)
    return f"{10 * math.log10(255**2 / squares):.1f} dB" if squares else "the same"


print("| picture | place | Pillow ms | `image` ms | camhook ms | times faster | entropy alone ms | of it: decoding / all | pixels |")
print("|---|---|---|---|---|---|---|---|---|")
for name, place, way in ms:
    if way != "camhook":
        continue
    pillow, mine = ms[name, place, "pillow"], ms[name, place, way]
    whole = ms[name, place, "whole"]
    limit = ms.get((name, place, "entropy"))
    decode = ms[name, place, "camhook-decode"]
    beside = f"{limit:.2f} | {decode / limit:.2f} / {mine / limit:.2f}" if limit else "– | –"
    print(f"| {name} | {place} | {pillow:.2f} | {whole:.2f} | {mine:.2f} | {pillow / mine:.1f} | {beside} | {nearness(name, place)} |")
