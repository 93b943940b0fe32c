"""The reader of traces accepts only a 202 after a sync that began after its commit was written."""

import pytest

from tests.end_to_end.system_calls import NEVER, accepted, calls_of, commits_of, not_durable

WAL = "/data/store.db-wal"
FRAME = r'7 pwrite64(14</data/store.db-wal>, "\0\0\0\2\0\0\0\0\235\347\210\267@*\222\242\322\352\36\3g\17\37g", 24, 32) = 24'
LAST_FRAME = FRAME.replace(r"\0\0\0\2\0\0\0\0", r"\0\0\0\26\0\0\0\26")
PAGE = r'7 pwrite64(14</data/store.db-wal>, "\n\0\0\0\1\16\307\0abc_debit_1{\"amount\":1}", 4096, 56) = 4096'
OTHER_PAGE = PAGE.replace("abc_debit_1", "xyz_debit_1")
UNFINISHED_PAGE = PAGE.replace(") = 4096", " <unfinished ...>")
PAGE_RESUMED = "7 <... pwrite64 resumed>)           = 4096"
SYNC = "7 fdatasync(14</data/store.db-wal>)     = 0"
SYNC_BEGINS = "8 fdatasync(15</data/store.db-wal> <unfinished ...>"
SYNC_RETURNS = "8 <... fdatasync resumed>)          = 0"
HEAD = r"HTTP/1.1 202 Accepted\r\ndate: now\r\nLocation: /api/generate/creation/abc\r\n\r\n"
SENT = rf'9 write(23<socket:[14751]>, "{HEAD}", 333) = 333'
COMMIT = [FRAME, OTHER_PAGE, LAST_FRAME, PAGE]

DURABLE = {
    "a sync after the commit": [*COMMIT, SYNC, SENT],
    "an fsync": [*COMMIT, SYNC.replace("fdatasync", "fsync"), SENT],
    "a sync by another thread": [*COMMIT, SYNC_BEGINS, SYNC_RETURNS, SENT],
    "a page written in two steps": [
        *(FRAME, OTHER_PAGE, LAST_FRAME, UNFINISHED_PAGE, '9 write(1</log>, "", 0) = 0'),
        *(PAGE_RESUMED, SYNC, SENT),
    ],
    "a later commit with the same page is not synced": [*COMMIT, SYNC, *COMMIT, SENT],
    "a response in parts": [
        *(*COMMIT, SYNC),
        rf'9 writev(23<socket:[1]>, [{{iov_base="{HEAD}", iov_len=333}}, {{iov_base="{{}}", iov_len=2}}], 2) = 335',
    ],
}
NOT_DURABLE = {
    "no sync": [*COMMIT, SENT],
    "the response is sent before the sync": [*COMMIT, SENT, SYNC],
    "the response is sent before the sync returns": [*COMMIT, SYNC_BEGINS, SENT, SYNC_RETURNS],
    "the sync never returns": [*COMMIT, SYNC_BEGINS, SENT],
    "the sync begins before the commit": [SYNC_BEGINS, *COMMIT, SYNC_RETURNS, SENT],
    "the sync begins before the last page": [
        *(FRAME, OTHER_PAGE, LAST_FRAME, SYNC_BEGINS, PAGE, SYNC_RETURNS, SENT)
    ],
    "the sync begins before the last page is written": [
        *(FRAME, OTHER_PAGE, LAST_FRAME, UNFINISHED_PAGE),
        *(SYNC_BEGINS, PAGE_RESUMED, SYNC_RETURNS, SENT),
    ],
    "the sync begins before the commit's last frame": [
        *(FRAME, PAGE, SYNC, LAST_FRAME, OTHER_PAGE, SENT)
    ],
    "the commit has no last frame": [FRAME, PAGE, SYNC, SENT],
    "the sync fails": [
        *(*COMMIT, SYNC.replace("= 0", "= -1 EIO (Input/output error)"), SENT),
    ],
    "the sync is interrupted": [
        *(*COMMIT, SYNC.replace("= 0", "= ? ERESTARTSYS (To be restarted)"), SENT),
    ],
    "another file is synced": [*COMMIT, SYNC.replace("store", "queue"), SENT],
    "another file has the commit": [
        *(line.replace("store", "queue") for line in COMMIT),
        SYNC,
        SENT,
    ],
    "another creation is committed": [FRAME, OTHER_PAGE, LAST_FRAME, OTHER_PAGE, SYNC, SENT],
}


@pytest.mark.parametrize("trace", DURABLE.values(), ids=DURABLE)
def test_response_after_the_sync_of_its_commit_is_accepted(trace: list[str]) -> None:
    assert not_durable(calls_of(trace), WAL) == set()


@pytest.mark.parametrize("trace", NOT_DURABLE.values(), ids=NOT_DURABLE)
def test_response_before_the_sync_of_its_commit_is_found(trace: list[str]) -> None:
    assert not_durable(calls_of(trace), WAL) == {"abc"}


def test_calls_are_joined_by_their_thread() -> None:
    trace = [
        '7 write(1</log>, "a\\"b = 1", 8 <unfinished ...>',
        '8 write(2</log>, "\\1\\0002\\n", 3 <unfinished ...>',
        "--- SIGTERM {si_signo=SIGTERM} ---",
        "8 <... write resumed>) = 3",
        "9 <... futex resumed>) = 0",
        "7 <... write resumed>) = 8",
        "8 fsync(3</data>)                        = -1 EIO (Input/output error)",
    ]

    first, second, third = calls_of(trace)

    assert (first.data, first.began, first.returned, first.result) == (b'a"b = 1', 0, 5, 8)
    assert (second.data, second.began, second.returned) == (b"\x01\x002\n", 1, 3)
    assert (third.name, third.file, third.returned, third.result) == ("fsync", "/data", 6, -1)


def test_call_that_ends_with_its_process_has_no_result() -> None:
    [call] = calls_of(['7 write(1</log>, "a) = 1", 6 <unfinished ...>) = ?', "+++ killed +++"])

    assert (call.returned, call.result) == (NEVER, None)


def test_commits_are_separated_by_their_last_frames() -> None:
    header = r'7 pwrite64(14</data/store.db-wal>, "7\177\6\202\0-\342\30\0\0\20\0", 32, 0) = 32'

    first, second = commits_of(
        calls_of([header, *COMMIT, SYNC, LAST_FRAME, OTHER_PAGE, FRAME, PAGE]), WAL
    )

    assert (first.written, second.written) == (4, 7)
    assert b"abc_debit_1" in first.data
    assert b"abc_debit_1" not in second.data


def test_only_responses_on_sockets_with_status_202_count() -> None:
    logged = SENT.replace("socket:[14751]", "/log")
    refused = SENT.replace("202 Accepted", "409 Conflict")

    assert accepted(calls_of([logged, refused])) == {}
    assert accepted(calls_of([logged, SENT])) == {"abc": 1}
