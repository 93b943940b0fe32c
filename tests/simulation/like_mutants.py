"""Mutants of likes, which the gate of likes notices."""

from functools import partial

from shared.domain import like
from shared.lifecycle import like_counting, liking, media_cleanup
from tests.simulation import store
from tests.simulation.mutation import Mutant, one

LIKES_GATE = "many like publications while processes stop and commits are late"
UNGUARDED = """current = store.get(creation.key) or creation
            counted = replace(current, like_count=counted.like_count)
            is_written = self._replace(current, counted, until_s=1e9)
            began_s = self.clock.monotonic_s()"""
_one = partial(one, gate=LIKES_GATE)

LIKE_MUTANTS: list[Mutant] = [
    _one(
        "withdrawn likes are counted",
        store.SimulatedStore,
        "like_count",
        "and each.is_liked",
        "",
    ),
    _one(
        "each like is a document of its own",
        like.Like,
        "of",
        "like_key(creation_id, user_id).id",
        'f"{creation_id}_{user_id}_{at}"',
    ),
    _one(
        "an unlike removes the like",
        liking.Liking,
        "_write",
        "lambda _: write(like, result=None)",
        "lambda found: write(removing=(like.key,), result=None) if found.get(like.key)"
        " else write(like, result=None)",
    ),
    _one(
        "a like that took long keeps its time",
        liking.Liking,
        "_change",
        "> COMMIT_WITHIN_S",
        "> 1e9",
    ),
    _one(
        "a late like of a deleted creation stays",
        liking.Liking,
        "_write_again",
        "if is_gone:",
        "if False:",
    ),
    _one(
        "the mark moves over likes that are not counted",
        like_counting.Progress,
        "begun",
        "{*creation_ids}",
        "set()",
    ),
    _one(
        "a failed count moves the mark",
        like_counting.LikeCounting,
        "_count",
        "if _may_succeed_later(error):",
        "if False:",
    ),
    _one(
        "the sweep does not look back",
        like_counting.LikeCounting,
        "_changed",
        "mark.reached_at - LOOK_BACK",
        "mark.reached_at",
    ),
    _one(
        "an older count replaces a newer one",
        like_counting.LikeCounting,
        "count",
        "is_written = self._replace(creation, counted, until_s=began_s + COMMIT_WITHIN_S)",
        UNGUARDED,
    ),
    _one(
        "a deleted creation keeps its likes",
        media_cleanup.MediaCleanup,
        "carry_out",
        "if deletion.likes_of and",
        "if False and",
    ),
    _one(
        "likes are removed at once only",
        media_cleanup.MediaCleanup,
        "carry_out",
        "if deletion.likes_of and",
        "if deletion.likes_of and at < deletion.until and",
    ),
    _one(
        "unpublishing removes likes",
        media_cleanup.MediaCleanup,
        "carry_out",
        "if deletion.likes_of and not self._remove_likes(deletion.likes_of,",
        'if not self._remove_likes(deletion.deletion_id.split("_")[0],',
    ),
]
