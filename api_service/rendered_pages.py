"""Pages that show one creation without JavaScript: a publication, and what a link shares.

A publication's tags follow https://ogp.me and X's cards: chats show a preview from them.
"""

from datetime import datetime

from api_service.languages import Language
from api_service.markup import Markup, element, fill, joined
from api_service.responses import PublicationView
from api_service.shared_responses import SharedView
from api_service.static_files import Template
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat, thumbnail_size

SITE_NAME = "Phoenix"
TITLE_LENGTH_MAX = 80
DESCRIPTION_LENGTH_MAX = 200
VIDEO_OPTIONS: dict[str, str | bool] = {
    "controls": True,
    "playsinline": True,
    "preload": "metadata",
}
Size = tuple[int | None, int | None]


def publication_page(template: Template, view: PublicationView, *, url: str) -> bytes:
    language = template.language
    article = _publication(view, url, language)
    return fill(template.text, {"tags": _tags(view, url, language), "article": article})


def shared_page(template: Template, view: SharedView) -> bytes:
    language = template.language
    prompt = view.prompt and joined(
        element("h2", {"class": "publication-label"}, language.text("pages.shared.prompt")),
        element("p", {"class": "publication-prompt", "dir": "auto"}, view.prompt),
    )
    by, day = language.text("pages.shared.by"), _day(view.created_at, language)
    facts = element("p", {"class": "publication-facts"}, by, " ", _owner(view), " · ", day)
    article = _article(view, facts, prompt or None, language)
    title = language.text("pages.shared.title", username=view.username)
    return fill(template.text, {"title": title, "article": article})


def _name(view: PublicationView | SharedView, language: Language) -> str:
    return language.text(f"untitled.{view.type}", username=view.username)


def _tags(view: PublicationView, url: str, language: Language) -> Markup:
    name = _name(view, language)
    made_with = language.text("pages.publication.madeWith", name=name)
    title = _shortened(view.caption or name, TITLE_LENGTH_MAX)
    description = _shortened(view.caption or made_with, DESCRIPTION_LENGTH_MAX)
    is_video = view.type is Kind.VIDEO
    image_url, image_size = _preview(view)
    properties: dict[str, str | int | None] = {
        "og:site_name": SITE_NAME,
        "og:type": "video.other" if is_video else "website",
        "og:title": title,
        "og:description": description,
        "og:url": url,
        **_sized("og:image", image_url, image_size),
        "og:image:alt": title if image_url else None,
    }
    if is_video and view.media_url:
        properties |= _sized("og:video", view.media_url, (view.width, view.height))
        properties["og:video:type"] = MediaFormat.MP4.content_type
    card = {
        "twitter:card": "summary_large_image" if image_url else "summary",
        "twitter:title": title,
        "twitter:description": description,
        "twitter:image": image_url,
        "twitter:image:alt": title if image_url else None,
    }
    tags = [
        element("title", {}, f"{title} · {SITE_NAME}"),
        element("meta", {"name": "description", "content": description}),
        element("link", {"rel": "canonical", "href": url}),
        *_metas("property", properties),
        *_metas("name", card),
    ]
    return Markup("\n".join(tags))


def _metas(kind: str, contents: dict[str, str | int | None] | dict[str, str | None]) -> list[Markup]:  # fmt: skip
    return [
        element("meta", {kind: name, "content": content})
        for name, content in contents.items()
        if content is not None
    ]


def _sized(name: str, url: str | None, size: Size) -> dict[str, str | int | None]:
    if url is None:
        return {}
    return {name: url, f"{name}:width": size[0], f"{name}:height": size[1]}


def _preview(view: PublicationView) -> tuple[str | None, Size]:
    """Return the picture of a preview: the thumbnail, or an image itself; and its size."""
    if view.thumbnail_url:
        whole = view.width, view.height
        return view.thumbnail_url, thumbnail_size(whole) if all(whole) else whole  # type: ignore[arg-type]  # both are there
    if view.type is Kind.IMAGE:
        return view.media_url, (view.width, view.height)
    return None, (None, None)


def _publication(view: PublicationView, url: str, language: Language) -> Markup:
    def text(name: str, **values: object) -> str:
        return language.text(f"pages.publication.{name}", **values)

    day = joined(" · ", _day(view.published_at, language)) if view.published_at else None
    label = text("likes", count=view.like_count)
    likes = element("span", {"role": "img", "aria-label": label}, f"♥ {view.like_count}")
    facts = element("p", {"class": "publication-facts"}, _owner(view), day, " · ", likes)
    attributes = {"type": "button", "class": "button", "id": "share", "data-url": url}
    share = element("button", {**attributes, "hidden": True}, text("share"))
    create = element("a", {"class": "button primary", "href": "/create"}, text("create"))
    actions = element("div", {"class": "publication-actions"}, share, create)
    return _article(view, facts, actions, language)


def _article(
    view: PublicationView | SharedView, facts: Markup, more: Markup | None, language: Language
) -> Markup:
    name = view.caption or _name(view, language)
    caption = element("h1", {"class": "publication-caption", "dir": "auto"}, name)
    text = element("div", {"class": "publication-text"}, caption, facts, more)
    return element("article", {"class": "publication"}, _media(view, name), text)


def _media(view: PublicationView | SharedView, label: str) -> Markup:
    size: dict[str, str | int | bool | None] = {"width": view.width, "height": view.height}
    if view.type is Kind.IMAGE:
        media = element("img", {"id": "media", "src": view.media_url, "alt": label, **size})
    else:
        links: dict[str, str | None] = {
            "src": view.media_url,
            "poster": view.thumbnail_url,
            "aria-label": label,
        }
        media = element("video", {"id": "media", **VIDEO_OPTIONS, **links, **size})
    return element("div", {"class": "publication-media"}, media)


def _owner(view: PublicationView | SharedView) -> Markup:
    return element("a", {"href": f"/soho/{view.username}"}, f"@{view.username}")


def _day(at: datetime, language: Language) -> Markup:
    month = language.messages["months"][at.month - 1]
    day = language.text("longDate", day=at.day, month=month, year=at.year)
    return element("time", {"datetime": at.isoformat()}, day)


def _shortened(text: str, length_max: int) -> str:
    """Return a text in one line, cut with an ellipsis where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= length_max else f"{line[: length_max - 1].rstrip()}…"
