"""Draw the icons of the installed app from `icon.svg`: `python -m tests.browser.draw_icons`."""

import io
import shutil

from PIL import Image
from playwright.sync_api import sync_playwright

from api_service.static_files import STATIC_FOLDER

PAPER = "#faf7f3"
ICONS = {
    "icon-192.png": (192, 0.78),
    "icon-512.png": (512, 0.78),
    "icon-maskable-512.png": (512, 0.56),  # a circle of 80 % is always visible
    "apple-touch-icon.png": (180, 0.68),
}
"""Each icon's size in pixels, and the part of it that the flame fills."""
FAVICON = "favicon.ico"
FAVICON_SIZES = [(16, 16), (32, 32), (48, 48)]
COLORS = 128


def main() -> None:
    flame = (STATIC_FOLDER / "icon.svg").read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()

        def draw(size: int, share: float, paper: str) -> Image.Image:
            page.set_viewport_size({"width": size, "height": size})
            page.set_content(
                f"<style>body {{ margin: 0; display: grid; place-items: center; height: 100vh; "
                f"background: {paper} }} svg {{ width: {share * 100}% }}</style>{flame}"
            )
            return Image.open(io.BytesIO(page.screenshot(omit_background=True)))

        for name, (size, share) in ICONS.items():
            icon = draw(size, share, PAPER).convert("RGB").quantize(COLORS)
            icon.save(STATIC_FOLDER / name, optimize=True)
        draw(48, 1, "transparent").save(STATIC_FOLDER / FAVICON, sizes=FAVICON_SIZES)
        browser.close()


if __name__ == "__main__":
    main()
