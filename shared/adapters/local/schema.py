"""The schema of the embedded store: a table for each collection, triggers and indexes."""

from shared.adapters.local.documents import field
from shared.adapters.local.like_queries import LIKE_INDEXES
from shared.adapters.local.operator_queries import OPERATOR_INDEXES
from shared.adapters.local.shared_with import SHARED_WITH_SCHEMA
from shared.adapters.local.watches import CHANGES_SCHEMA
from shared.domain.keys import Collection

_TABLES = "".join(
    f'CREATE TABLE IF NOT EXISTS "{collection}" '
    "(id TEXT PRIMARY KEY, document TEXT NOT NULL CHECK (json_valid(document)), "
    "CONSTRAINT a_balance_is_never_negative "
    f"CHECK (coalesce({field('tokenBalance')}, 0) >= 0)) WITHOUT ROWID;\n"
    for collection in Collection
)
SCHEMA = f"""
{_TABLES}
CREATE TRIGGER IF NOT EXISTS ledger_is_not_changed BEFORE UPDATE ON transactions
  WHEN json_extract(OLD.document, '$.sequence') IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_is_not_shortened BEFORE DELETE ON transactions
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS acts_are_not_changed BEFORE UPDATE ON operatorActs
  BEGIN SELECT RAISE(ABORT, 'the acts of operators are append-only'); END;
CREATE TRIGGER IF NOT EXISTS acts_are_not_shortened BEFORE DELETE ON operatorActs
  BEGIN SELECT RAISE(ABORT, 'the acts of operators are append-only'); END;
CREATE INDEX IF NOT EXISTS drafts ON creations (
  {field("userId")}, {field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS drafts_by_status ON creations (
  {field("userId")}, {field("mediaType")}, {field("status")}, {field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS feed ON creations ({field("publishedAt")} DESC, id DESC)
  WHERE {field("status")} = 'published';
CREATE INDEX IF NOT EXISTS published_by ON creations (
  {field("username")}, {field("publishedAt")} DESC, id DESC)
  WHERE {field("status")} = 'published';
CREATE INDEX IF NOT EXISTS overdue ON creations ({field("deadlineAt")}, id)
  WHERE {field("deadlineAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS due ON creations ({field("sweepAt")}, id)
  WHERE {field("sweepAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS expired ON creations ({field("expiresAt")}, id)
  WHERE {field("expiresAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS scheduled ON creations ({field("schedule.tryAt")}, id)
  WHERE {field("schedule.tryAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS waiting ON creations (
  {field("mediaType")}, {field("availableAt")}, id) WHERE {field("availableAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS held ON creations (
  {field("executionName")}, {field("leaseExpiresAt")}, id)
  WHERE {field("leaseExpiresAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS unfinished ON creations ({field("mediaType")}, {field("status")})
  WHERE {field("sweepAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS settled ON costs ({field("createdAt")});
CREATE INDEX IF NOT EXISTS unfolded ON costs ({field("foldAt")}, id)
  WHERE {field("foldAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS due_deletions ON mediaDeletions ({field("dueAt")}, id);
CREATE INDEX IF NOT EXISTS expired_downloads ON downloads ({field("expiresAt")}, id);
CREATE INDEX IF NOT EXISTS ledger ON transactions (
  {field("userId")}, {field("sequence")} DESC, id DESC);
{LIKE_INDEXES}{OPERATOR_INDEXES}
{CHANGES_SCHEMA}{SHARED_WITH_SCHEMA}"""
