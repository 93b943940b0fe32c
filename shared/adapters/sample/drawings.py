"""Images and videos drawn deterministically from a prompt."""

import hashlib
import random
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from shared.domain.brief import AspectRatio, Brief

IMAGE_SIZES = {
    AspectRatio.SQUARE: (1024, 1024),
    AspectRatio.PORTRAIT_3_4: (896, 1200),
    AspectRatio.LANDSCAPE_4_3: (1200, 896),
    AspectRatio.PORTRAIT: (768, 1376),
    AspectRatio.LANDSCAPE: (1376, 768),
}
VIDEO_SIZES = {AspectRatio.PORTRAIT: (720, 1280), AspectRatio.LANDSCAPE: (1280, 720)}
FRAMES_PER_S = 24
RENDER_TIMEOUT_S = 60
BLOB_COUNT = 9

_PALETTES = (
    ("#0b1026", "#2b4c7e", "#f2a65a", "#f25c54", "#ffe8d6"),
    ("#10231c", "#1f6f54", "#9bc53d", "#f9c74f", "#f4f1de"),
    ("#1a1423", "#5f0f40", "#9a031e", "#fb8b24", "#ffe1a8"),
    ("#03045e", "#0077b6", "#00b4d8", "#90e0ef", "#fff3b0"),
    ("#22223b", "#4a4e69", "#9a8c98", "#c9ada7", "#f2e9e4"),
    ("#2d0036", "#7209b7", "#f72585", "#4cc9f0", "#fdf0d5"),
)


def _random(prompt: str) -> random.Random:
    return random.Random(hashlib.sha256(prompt.encode()).digest())


def draw_image(brief: Brief, path: Path) -> None:
    width, height = IMAGE_SIZES[brief.aspect_ratio]
    rng = _random(brief.prompt)
    palette = rng.choice(_PALETTES)
    image = Image.new("RGB", (width, height), palette[0])
    for _ in range(BLOB_COUNT):
        radius = rng.randint(width // 8, width // 2)
        x, y = rng.randint(0, width), rng.randint(0, height)
        blob = Image.new("L", (width, height))
        ImageDraw.Draw(blob).ellipse((x - radius, y - radius, x + radius, y + radius), fill=200)
        blob = blob.filter(ImageFilter.BoxBlur(radius / 2))
        image.paste(Image.new("RGB", image.size, rng.choice(palette[1:])), mask=blob)
    image = ImageChops.overlay(image, _grain(rng, (width, height)).convert("RGB"))
    image.save(path, format="PNG", compress_level=1)


def _grain(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    noise = Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
    return noise.point([128 + (value - 128) // 9 for value in range(256)])


def render_video(brief: Brief, path: Path, *, motion_share: float = 1.0) -> None:
    """Write an MP4 of H.264 and AAC with its index at the end, as generators do.

    A `motion_share` below 1 freezes the last frame for the rest of the duration.
    """
    from shared.ffmpeg import run_ffmpeg

    width, height = VIDEO_SIZES[brief.aspect_ratio]
    duration_s, rng = brief.duration_s or 0, _random(brief.prompt)
    palette = enumerate(rng.choice(_PALETTES)[1:])
    colours = ":".join(f"c{index}={colour.replace('#', '0x')}" for index, colour in palette)
    video = (
        f"gradients=s={width // 4}x{height // 4}:r={FRAMES_PER_S}:n=4:{colours}:speed=0.02"
        f":seed={rng.randrange(2**31)}:d={duration_s * motion_share},"
        f"scale={width}:{height}:flags=bilinear,noise=alls=6:all_seed={rng.randrange(2**31)}"
    )
    audio = f"sine=frequency={rng.randint(180, 440)}:duration={duration_s},volume=0.2"
    last = round(FRAMES_PER_S * duration_s * motion_share) - 1
    held_s = duration_s - last / FRAMES_PER_S
    arguments = [
        *("-v", "error", "-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio),
        *("-bsf:v", rf"setts=duration=if(eq(N\,{last})\,{held_s}/TB\,DURATION)"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "96k", "-threads", "1", "-map_metadata", "-1"),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"),
        *("-f", "mp4", str(path)),
    ]
    done = run_ffmpeg(arguments, timeout_s=RENDER_TIMEOUT_S)
    if done.exit_status != 0:
        raise RuntimeError(done.stderr)
