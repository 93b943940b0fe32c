"""Take the README's pictures: `python docs/screenshots.py`, after `tests/browser/install.sh`.

Install the typeface Inter first (Debian: fonts-inter).
"""  # noqa: INP001 (a script next to its output)

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

from infrastructure.local.stack import Stack

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1280, "height": 860}
QUALITY = 82
SCHEMES = {"drafts": "light", "explore": "dark"}
FREQUENT_PROGRESS = {"PHOENIX_POLICY_HEARTBEAT_S": "0.5", "PHOENIX_POLICY_VIDEO_POLL_S": "0.5"}
POLL_INTERVAL_S = 0.5
SETTLE_MS = 2500
"""Time for media to load and animations to end."""
TIDE = "Paper boats drifting through a flooded library"
POND = "Koi in a night pond, lanterns above, slow ripples"
MONASTERY = (
    "A foggy mountain monastery at first light, bells far away, a slow pan across the valley"
)
DRAFTS_OF_ADA: list[dict[str, Any]] = [
    {"type": "video", "prompt": "A fox runs through fresh snow", "duration": 4},
    {"type": "image", "prompt": "Stained glass whale, macro, sunlit", "aspectRatio": "4:3"},
    {"type": "image", "prompt": "A lighthouse in a storm, from a small boat [refuse]"},
    {"type": "video", "prompt": "Northern lights over a sleeping harbour", "duration": 8},
    {"type": "video", "prompt": f"{MONASTERY} [slow 15]", "duration": 8},
]
PUBLICATIONS_OF_BEN: dict[str, dict[str, Any]] = {
    "Harbour lights": {"type": "video", "prompt": "harbour", "duration": 8},
    "The gardener": {"type": "image", "prompt": "astronaut", "aspectRatio": "3:4"},
    "Two moons": {"type": "image", "prompt": "caravan", "aspectRatio": "16:9"},
    "Boats, 6 a.m.": {"type": "video", "prompt": TIDE, "orientation": "portrait", "duration": 6},
    "Glass whale": {"type": "image", "prompt": "whale"},
    "Night pond": {"type": "image", "prompt": POND, "aspectRatio": "4:3"},
    "First snow!": {"type": "image", "prompt": "snow", "aspectRatio": "9:16"},
}


def sign_in(base_url: str, name: str) -> httpx.Client:
    """Sign in as a user and return a client with their token."""
    response = httpx.post(f"{base_url}/api/local/sign-in", json={"username": name})
    headers = {"Authorization": f"Bearer {response.json()['token']}"}
    return httpx.Client(base_url=base_url, headers=headers)


def create(client: httpx.Client, body: dict[str, Any]) -> str:
    """Create a creation, wait until it is settled (unless it is slow), and return its id."""
    opened = client.post("/api/generate/creation", json=body).raise_for_status().json()
    address = f"/api/generate/creation/{opened['creationId']}"
    expected = "processing" if "[slow" in body["prompt"] else "draft failed"
    while client.get(address).json()["creation"]["status"] not in expected:
        time.sleep(POLL_INTERVAL_S)
    return str(opened["creationId"])


def main() -> None:
    """Fill an empty stack with two users' creations and take the pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack({**os.environ, "PHOENIX_DATA": folder, **FREQUENT_PROGRESS}) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        with sign_in(stack.base_url, "ben") as ben, sign_in(stack.base_url, "ada") as ada:
            for caption, body in PUBLICATIONS_OF_BEN.items():
                address = f"/api/generate/creation/{create(ben, body)}/publish"
                ben.post(address, json={"caption": caption}).raise_for_status()
            for body in DRAFTS_OF_ADA:
                create(ada, body)
        for name, scheme in SCHEMES.items():
            context = browser.new_context(viewport=SIZE, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{stack.base_url}/soho/me?tab=drafts")
            page.get_by_label("Your name").fill("ada")
            page.keyboard.press("Enter")
            page.wait_for_selector("#cards > li:nth-child(5)")
            if name == "explore":
                page.goto(f"{stack.base_url}/soho/explore")
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=QUALITY)
        browser.close()


if __name__ == "__main__":
    main()
