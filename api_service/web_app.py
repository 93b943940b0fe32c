"""What makes the pages an app: its manifest, its service worker, and what crawlers may read."""

import json
from collections.abc import Iterable

from api_service.languages import Language

PAPER = "#faf7f3"
OFFLINE_PAGES = ("/create", "/offline")
"""The pages that are kept before anyone opens them."""
KEPT_PAGES = ("/", "/sign-in", "/create", "/tokens", "/settings", "/soho/explore", "/offline")
# A shared link is allowed: only a crawler that reads its page learns that it must not list it.
ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /admin
Disallow: /settings
Disallow: /tokens
"""


def manifest(language: Language, folder: str) -> bytes:
    """Return the web app manifest; `folder` is where this release's files are."""

    def icon(name: str, size: int, purpose: str) -> dict[str, str]:
        size_text = f"{size}x{size}"
        return {
            "src": f"{folder}{name}",
            "sizes": size_text,
            "type": "image/png",
            "purpose": purpose,
        }

    shortcuts = {"create": "/create", "drafts": "/soho/me?tab=drafts"}
    app = {
        "id": "/",
        "name": "Phoenix",
        "short_name": "Phoenix",
        "description": language.text("pages.landing.description"),
        "lang": language.code,
        "start_url": "/create",
        "scope": "/",
        "display": "standalone",
        "theme_color": PAPER,
        "background_color": PAPER,
        "icons": [
            icon("icon-192.png", 192, "any"),
            icon("icon-512.png", 512, "any"),
            icon("icon-maskable-512.png", 512, "maskable"),
        ],
        "shortcuts": [
            {"name": language.text(f"shell.{name}"), "url": url} for name, url in shortcuts.items()
        ],
    }
    return json.dumps(app, ensure_ascii=False).encode()


def worker(script: bytes, *, release: str, folder: str, files: Iterable[str]) -> bytes:
    """Return the service worker, after a line that says what belongs to this release."""
    facts = {
        "version": release,
        "folder": folder,
        "files": sorted(set(files)),
        "offlinePages": OFFLINE_PAGES,
        "keptPages": KEPT_PAGES,
    }
    return f"const RELEASE = {json.dumps(facts)};\n".encode() + script
