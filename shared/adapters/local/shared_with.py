"""The creations that each collaborator sees, in a table that triggers maintain.

SQLite cannot index an array.
"""

_COLLABORATORS = "'$.sharing.collaborators'"


def _insert(row: str) -> str:
    return (
        "INSERT INTO sharedWith SELECT value,"  # noqa: S608 (fixed names)
        f" json_extract({row}.document, '$.createdAt'), {row}.id"
        f" FROM json_each({row}.document, {_COLLABORATORS});"
    )


_DELETE = (
    "DELETE FROM sharedWith WHERE creation_id = OLD.id"  # noqa: S608 (fixed names)
    " AND created_at = json_extract(OLD.document, '$.createdAt')"
    f" AND username IN (SELECT value FROM json_each(OLD.document, {_COLLABORATORS}));"
)
_CHANGED = (
    f"json_extract(OLD.document, {_COLLABORATORS})"
    f" IS NOT json_extract(NEW.document, {_COLLABORATORS})"
)
SHARED_WITH_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS sharedWith (
  username TEXT, created_at TEXT, creation_id TEXT,
  PRIMARY KEY (username, created_at, creation_id)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS collaborators_are_added AFTER INSERT ON creations
  WHEN json_array_length(NEW.document, {_COLLABORATORS}) > 0
  BEGIN {_insert("NEW")} END;
CREATE TRIGGER IF NOT EXISTS collaborators_are_changed AFTER UPDATE ON creations WHEN {_CHANGED}
  BEGIN {_DELETE} {_insert("NEW")} END;
CREATE TRIGGER IF NOT EXISTS collaborators_are_removed AFTER DELETE ON creations
  WHEN json_array_length(OLD.document, {_COLLABORATORS}) > 0
  BEGIN {_DELETE} END;
"""
"""For the store's schema."""


def shared_with_text(*, is_first: bool) -> str:
    """Return a query for one page, newest first, that reads no more than its rows."""
    after = "" if is_first else " AND (created_at, creation_id) < (:value, :id)"
    return (
        "SELECT creations.id, creations.document, created_at AS sort"  # noqa: S608 (fixed names; values are bound)
        " FROM sharedWith CROSS JOIN creations ON creations.id = creation_id"
        f" WHERE username = :of{after}"
        " ORDER BY created_at DESC, creation_id DESC LIMIT :limit"
    )
