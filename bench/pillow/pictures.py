"""Draws the pictures to cut: pictures.py FOLDER. Slopes of light, some hundred shapes, plates, and the noise of a sensor."""

import random
import sys
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

# Of the noise at its largest, so that quality 90 makes pictures about as large as cameras do: a bit and a half a pixel.
NOISE = 4


def scene(width: int, height: int) -> Image.Image:
    chance = random.Random(1)
    sky = Image.linear_gradient("L").resize((width, height))
    light = Image.radial_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (sky, ImageChops.add(sky, light, 2), ImageChops.invert(light)))
    draw = ImageDraw.Draw(picture)
    for _ in range(220):
        x, y = chance.randrange(width), chance.randrange(height)
        w, h = chance.randrange(width // 40, width // 6), chance.randrange(height // 40, height // 6)
        color = tuple(chance.randrange(256) for _ in range(3))
        chance.choice([draw.rectangle, draw.ellipse])((x, y, x + w, y + h), fill=color)
    for _ in range(12):
        x, y = chance.randrange(width - 300), chance.randrange(height - 100)
        draw.rectangle((x, y, x + 300, y + 80), fill="white", outline="black", width=4)
        draw.text((x + 20, y + 8), "AB 123 CD", fill="black", font_size=56)
    picture = picture.filter(ImageFilter.GaussianBlur(1.2))
    noise = Image.merge("RGB", [Image.effect_noise((width, height), NOISE) for _ in range(3)])
    return ImageChops.add(picture, noise, 1, -128)


def main() -> None:
    folder = Path(sys.argv[1])
    for name, size in {"1080p": (1920, 1080), "4k": (3840, 2160)}.items():
        picture = scene(*size)
        forms = {
            "": {},
            "-restart": {"restart_marker_rows": 1},
            "-progressive": {"progressive": True},
        }
        for form, options in forms.items():
            picture.save(folder / f"{name}{form}.jpg", quality=90, subsampling="4:2:0", **options)


main()
