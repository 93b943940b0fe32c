"""Serve the API of the tree that runs this with room for more streams than its default."""

import os

from fastapi import FastAPI

import api_service.main as main_module
from api_service.__main__ import main
from api_service.app import create_app
from api_service.events import StreamLimits
from shared import settings, telemetry, wiring

STREAMS_MAX = 5_000


def app(*_: object) -> FastAPI:
    telemetry.configure("api")
    phoenix = wiring.build(settings.load(os.environ))
    return create_app(phoenix, stream_limits=StreamLimits(streams_max=STREAMS_MAX))


if __name__ == "__main__":
    main_module.app = app  # type: ignore[assignment]  # as in either commit
    main()
