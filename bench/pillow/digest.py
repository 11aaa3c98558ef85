"""What libjpeg-turbo decodes of the JPEGs that a test of camhook left behind: digest.py FILE... Prints digests of the pixels."""

import hashlib
import sys
from pathlib import Path

from PIL import Image

told = set()
for path in map(Path, sys.argv[1:]):
    with Image.open(path) as picture:
        pixels = picture.convert("RGB").tobytes()
    # camhook-67x45-2x1-together.jpg: in one scan or in several, the pixels are the same.
    name = "-".join(path.stem.split("-")[1:3])
    told.add(f'    ("{name}", "{hashlib.sha256(pixels).hexdigest()[:32]}"),')
print(*sorted(told), sep="\n")
