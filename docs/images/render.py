"""Renders terminal text from standard input as a PNG (needs Pillow and DejaVu Sans Mono).

    target/release/foreshift demo | grep -v '(risk ' | python3 docs/images/render.py docs/images/demo.png
"""

import sys

from PIL import Image, ImageDraw, ImageFont

SIZE, PAD, MOST = 15, 18, 132
COLOURS = [(" prediction ", "#f2c14e"), (" shift ", "#5bc0eb"), (" shifted ", "#5bc0eb"), (" failure ", "#e5534b"),
           (" recovered ", "#6bbf59"), (" restore", "#8aa0b0"), ("saved against", "#6bbf59"), ("Summary", "#ffffff")]


def colour(line):
    return next((shade for word, shade in COLOURS if word in line), "#c9d1d9")


def main():
    lines = [line.rstrip()[:MOST] for line in sys.stdin]
    font = ImageFont.truetype("DejaVuSansMono.ttf", SIZE)
    width = int(max(font.getlength(line) for line in lines)) + 2 * PAD
    step = SIZE + 5
    image = Image.new("RGB", (width, len(lines) * step + 2 * PAD), "#0d1117")
    draw = ImageDraw.Draw(image)
    for at, line in enumerate(lines):
        draw.text((PAD, PAD + at * step), line, font=font, fill=colour(line))
    image.save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
