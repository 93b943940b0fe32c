"""Work that needs much memory is done one at a time in a process: parsing and decoding media."""

import threading

HEAVY_WORK = threading.Lock()
