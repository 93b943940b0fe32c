"""The local media store with the scenario [crash upload] of the sample generator."""

import os
import signal
from pathlib import Path

from shared.adapters.local.media_store import FileMediaStore
from shared.adapters.local.signing_keys import SigningKeys
from shared.domain.media import MediaFormat


class SampleMediaStore(FileMediaStore):
    """Kills the process once for each creation id that is a file in `crashes`."""

    def __init__(
        self, folder: Path, *, crashes: Path, base_url: str, secret: bytes | SigningKeys
    ) -> None:
        super().__init__(folder, base_url=base_url, secret=secret)
        self._crashes = crashes

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        crash = self._crashes / Path(key).parent.name
        if crash.exists():
            crash.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        super().put(path, key, media_format=media_format)
