"""Response bodies of Google's generators, by call and by the end of the work.

In addition to the ends that `tests.servers.google_models_server` lists, of an operation: `https`, `https-console`,
`https-host`, `https-api` (other addresses of its video), `generated-videos`, `generated-samples`,
`addresses`, `filtered-in-part`; of an interaction: the same addresses, `outputs`, `output-video`,
`media-and:STATUS`, `billed:CODE`; of an image: `thought`, `then-thought`, `then-text`, `then-sound`,
`then-blob`, `then-broken`, `second-candidate`, `called:MEDIA-TYPE`, `snake-case`, `blocked-but-there:REASON`,
`finished-but-there:REASON`, `billed:REASON`.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.servers.google_models_vendor import SECRET_TEXT, Vendor, Work

FILTERED = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [SECRET_TEXT]}


# Operations


def operation_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    answer: dict[str, Any] = {"name": work.name, "metadata": {"@type": "type.googleapis.com/x"}}
    if not vendor.is_done(work):
        return answer
    answer["done"] = True
    end, _, rest = work.end.partition(":")
    code, _, why = rest.partition(":")
    info = {"reason": why, "domain": "googleapis.com"}
    endings: dict[str, Callable[[], Any]] = {
        "error": lambda: {"error": {"code": int(code), "message": why}},
        "error-info": lambda: {"error": {"code": int(code), "details": [info]}},
        "nothing": lambda: {"response": {}},
        "filtered": lambda: {"response": FILTERED},
        "filtered-nested": lambda: {"response": {"generateVideoResponse": FILTERED}},
    }
    if end in endings:
        return answer | endings[end]()
    new = {"new": {"nobody": ["knows"]}} if end == "strange" else {}
    return answer | new | {"response": response_json(vendor, work) | new}


def response_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    """Return a response with one video, in the shape of the work's end."""
    if work.folder:
        place = address_of(work)
        video, other = {"gcsUri": place}, {"uri": place}
    else:
        place = vendor.inline(vendor.media(work))
        video, other = {"bytesBase64Encoded": place}, {"encodedVideo": place}
    shapes: dict[str, Any] = {
        "generated-videos": {"generatedVideos": [{"video": other}]},
        "generated-samples": {"generateVideoResponse": {"generatedSamples": [{"video": other}]}},
        "addresses": {"generatedSamples": [place]},
        "filtered-in-part": {"videos": [{}, video], **FILTERED},
    }
    return shapes.get(work.end, {"videos": [video | {"mimeType": "video/mp4"}]})


def address_of(work: Work) -> str:
    """Return the URI of a video in the bucket, in the form of the work's end."""
    bucket, _, name = work.address.removeprefix("gs://").partition("/")
    host = "storage.googleapis.com"
    addresses = {
        "https": f"https://{host}/{bucket}/{name}",
        "https-console": f"https://storage.cloud.google.com/{bucket}/{name}?authuser=0",
        "https-host": f"https://{bucket}.{host}/{name}",
        "https-api": f"https://{host}/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        "?alt=media",
        "elsewhere": f"https://videos.example/{bucket}/{name}",
    }
    return addresses.get(work.end, work.address)


# Interactions


def interaction_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": work.name, "status": "in_progress", "model": "m"}
    if not vendor.is_done(work):
        return answer
    end, _, rest = work.end.partition(":")
    code, _, why = rest.partition(":")
    error = {"code": code, "message": why}
    odd = [{"message": "odd"}, error]
    endings: dict[str, Any] = {
        "error": {"status": "failed", "errors": [error]},
        "billed": {"status": "failed", "errors": odd, "usage": {"total_output_tokens": 46336}},
        "nothing": {"status": "completed", "usage": {"total_output_tokens": 0}},
        "status": {"status": rest},
    }
    if end in endings:
        return answer | endings[end]
    status = rest if end == "media-and" else "completed"
    return answer | {"status": status} | outputs_json(vendor, work)


def outputs_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    """Return an interaction's outputs, in the shape of the work's end."""
    video = video_json(vendor, work)
    step = {"type": "model_output", "content": [{"type": "text", "text": "here"}, video]}
    thought = {"type": "thought", "summary": [{"type": "text", "text": "a fox, then"}]}
    odd = {"type": ["video"], "data": "b2Rk"}
    first = {"type": "model_output", "content": [{"type": "video", "data": "Zmlyc3Q="}, odd]}
    draft = {"type": "thought", "content": [{"type": "video", "data": "ZHJhZnQ="}]}
    shapes: dict[str, Any] = {
        "outputs": {"outputs": [{"type": "text"}, video]},
        "output-video": {"output_video": video},
        "then-thought": {"steps": [step, draft]},
        "strange": {"steps": [{"type": "odd"}, None, "odd", first, thought, step], "new": {}},
    }
    return shapes.get(work.end, {"steps": [thought, step]})


def video_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    video = {"type": "video", "mime_type": "video/mp4"}
    if work.folder == "files":
        host = "https://generativelanguage.googleapis.com/v1beta"
        return video | {"uri": f"{host}/files/{work.name.replace('_', '')}:download?alt=media"}
    if work.folder:
        return video | {"uri": address_of(work)}
    return video | {"data": vendor.inline(vendor.media(work))}


# Images


def image_json(vendor: Vendor, work: Work) -> dict[str, Any]:
    end, _, reason = work.end.partition(":")
    candidate: dict[str, Any] = {"finishReason": "STOP"}
    answer: dict[str, Any] = {"candidates": [candidate], "usageMetadata": {"totalTokenCount": 1290}}
    match end:
        case "block":
            return {"promptFeedback": {"blockReason": reason}}
        case "finish":
            return {"candidates": [{"finishReason": reason, "content": None}]}
        case "billed":
            details = [
                {"modality": "TEXT", "tokenCount": 0},
                {"modality": "IMAGE", "tokenCount": 1120},
            ]
            usage = {"candidatesTokenCount": 1120, "candidatesTokensDetails": details}
            return {"candidates": [{"finishReason": reason}], "usageMetadata": usage}
        case "blocked-but-there":
            answer["promptFeedback"] = {"blockReason": reason}
        case "finished-but-there":
            candidate["finishReason"] = reason
        case "strange":
            candidate |= {"finishReason": "NEW_WORD", "new": {"nobody": "knows"}}
    parts = parts_of(vendor, work, end, called=reason if end == "called" else "image/png")
    if end == "second-candidate":
        answer["candidates"].append({"content": {"role": "model", "parts": parts[-1:]}})
        parts = parts[:-1]
    candidate["content"] = {"role": "model", "parts": parts}
    return answer


def parts_of(vendor: Vendor, work: Work, end: str, *, called: str) -> list[dict[str, Any]]:
    """Return the parts of a response with one image, in the order of the work's end."""
    text = {"text": "Here is your fox:"}
    draft = {"thought": True, "inlineData": {"mimeType": "image/png", "data": "bm90IHRoaXM="}}
    data = vendor.inline(vendor.media(work))
    image = {"inlineData": {"mimeType": called, "data": data}, "thoughtSignature": "eA=="}
    shapes: dict[str, Any] = {
        "nothing": [text],
        "thought": [text, draft, image | {"thought": True}],
        "then-thought": [text, image, draft],
        "then-text": [text, draft, image, {"text": "There it is."}],
        "then-sound": [image, {"inlineData": {"mimeType": "audio/wav", "data": "c291bmQ="}}],
        "then-blob": [
            image,
            {"inlineData": {"mimeType": "application/octet-stream", "data": "YmxvYg=="}},
        ],
        "then-broken": [draft, image, {"inlineData": {"mimeType": "image/png", "data": "%"}}],
        "snake-case": [draft, {"inline_data": {"mime_type": "image/png", "data": data}}],
        "strange": [{"newPart": {}}, text, draft, image],
    }
    return shapes.get(end, [text, draft, image])
