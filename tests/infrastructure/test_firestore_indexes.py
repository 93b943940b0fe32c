"""The declared indexes against the queries as they are sent: only Google's own Firestore refuses."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from google.cloud.firestore_v1.types import (
    ListenRequest,
    RunAggregationQueryRequest,
    RunQueryRequest,
    StructuredAggregationQuery,
    StructuredQuery,
)

from shared.adapters.firestore.store import FirestoreStore
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection
from shared.domain.kind import Kind
from shared.domain.status import Status
from shared.ports.store import Cursor, DraftsFilter, Page
from tests.servers.firestore_proxy import FirestoreProxy
from tests.support.builders import ADA, NOON, a_creation_id
from tests.support.eventually import eventually
from tests.support.machine import needs

FILE = Path(__file__).parents[2] / "infrastructure/gcp/firestore.indexes.json"
INDEXES = json.loads(FILE.read_text())
INDEXED = {
    *("userId", "username", "status", "mediaType", "createdAt", "publishedAt"),
    *("deadlineAt", "sweepAt", "dueAt", "sequence", "wasClaimed", "estimatedCostUsd"),
    *("availableAt", "executionName", "leaseExpiresAt", "sharing.collaborators"),
    *("foldAt", "expiresAt", "schedule.tryAt"),
    *("creationId", "isLiked", "changedAt"),
    *("error.code", "updatedAt"),
}

Index = tuple[str, frozenset[str], str, str]
"""Collection, fields compared for equality, the field that is sorted by, its direction."""


def ask_everything(store: FirestoreStore) -> None:
    """Run every query of the port, with every combination of filters, and with a cursor."""
    for page in (Page(limit=5), Page(limit=5, after=Cursor(NOON, "x"))):
        for status in (None, *Status):
            for kind in (None, *Kind):
                store.drafts(ADA, DraftsFilter(status=status, kind=kind), page)
        store.feed(page)
        store.published_by("ada", page)
        store.shared_with("ada", page)
        store.waiting(Kind.IMAGE, NOON, page)
        store.overdue(NOON, page)
        store.due(NOON, page)
        store.due_deletions(NOON, page)
        store.unfolded(NOON, page)
        store.changed_likes(NOON, page)
        store.expired_downloads(NOON, page)
        store.created_by(ADA, page)
        store.acts_of(a_creation_id(), page)
        for failed_kind in (None, Kind.IMAGE):
            store.failed_since(FailureCode.INTERNAL, failed_kind, NOON, page)
        store.acts(page)
        store.expired(NOON, page)
        store.scheduled(NOON, page)
    for after_id in (None, "x"):
        store.creations_by_id(after_id, 5)
    store.like_count(a_creation_id())
    store.likes_of(a_creation_id(), 5)
    store.held("execution", Kind.IMAGE)
    for kind in Kind:
        store.unfinished(kind, Status.PENDING)
        store.settled_since(kind, NOON)
    store.cost_usd_since(NOON)
    store.unfolded_since(NOON)
    store.published_since(NOON)
    store.statistics("2026-11-28T14")
    store.ledger(ADA, Page(limit=5))
    store.ledger(ADA, Page(limit=5, after=Cursor(3, "x")))
    list(store.everything())
    list(store.books())
    list(store.accounts())
    list(store.outcomes())


def queries(proxy: FirestoreProxy) -> Iterator[StructuredQuery]:
    """Yield every query that was sent, and the one that was listened to."""
    for call in proxy.calls:
        if call.method == "RunQuery":
            yield RunQueryRequest.deserialize(call.messages[0]).structured_query
        if call.method == "Listen":
            for message in call.messages:
                target = ListenRequest.deserialize(message).add_target
                if "query" in target:
                    yield target.query.structured_query


def aggregations(proxy: FirestoreProxy) -> Iterator[StructuredAggregationQuery]:
    """Yield every aggregation that was sent, except of whole collections: ids have an index."""
    for call in proxy.calls:
        if call.method == "RunAggregationQuery":
            sent = RunAggregationQueryRequest.deserialize(call.messages[0])
            if "where" in sent.structured_aggregation_query.structured_query:
                yield sent.structured_aggregation_query


def compared(query: StructuredQuery) -> dict[str, str]:
    """Return the operator of each field that a query filters by."""
    filters = [part.field_filter for part in query.where.composite_filter.filters]
    return {each.field.field_path: each.op.name for each in filters or [query.where.field_filter]}


def needed(query: StructuredQuery) -> Index:
    sorts = [(order.field.field_path, order.direction.name) for order in query.order_by]
    *leading, sort, tie = sorts
    assert tie == ("__name__", sort[1]), "an index ends with the id, in its last field's direction"
    assert all(direction == "ASCENDING" for _, direction in leading)
    operators = ("EQUAL", "IN", "ARRAY_CONTAINS")
    equal = {field for field, operator in compared(query).items() if operator in operators}
    return (query.from_[0].collection_id, frozenset(equal | {field for field, _ in leading}), *sort)


def needed_to_aggregate(aggregation: StructuredAggregationQuery) -> frozenset[str]:
    """Return the fields of the index: those that are filtered by, and the one that is summed.

    https://firebase.google.com/docs/firestore/query-data/aggregation-queries#limitations
    """
    summed = {each.sum.field.field_path for each in aggregation.aggregations if "sum" in each}
    return frozenset({*compared(aggregation.structured_query), *summed})


def declared() -> set[Index]:
    composite = {
        (
            index["collectionGroup"],
            frozenset(field["fieldPath"] for field in index["fields"][:-1]),
            index["fields"][-1]["fieldPath"],
            index["fields"][-1]["order"],
        )
        for index in INDEXES["indexes"]
    }
    single = {
        (each["collectionGroup"], frozenset[str](), each["fieldPath"], index["order"])
        for each in INDEXES["fieldOverrides"]
        for index in each["indexes"]
    }
    return composite | single


@needs("firestore")
def test_every_query_has_its_index_and_every_index_its_query(
    new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy
) -> None:
    store = new_firestore(address=proxy.address)
    ask_everything(store)
    with store.watch(ADA, lambda _: None):
        eventually(lambda: any(len(c.messages) == 2 for c in proxy.calls if c.method == "Listen"))

    sorted_by_more_than_id = [
        query for query in queries(proxy) if query.order_by[0].field.field_path != "__name__"
    ]
    sorted_counts = [
        each.structured_query for each in aggregations(proxy) if each.structured_query.order_by
    ]
    lists = {needed(query) for query in (*sorted_by_more_than_id, *sorted_counts)}
    assert lists <= declared()
    counted = {
        (each.structured_query.from_[0].collection_id, needed_to_aggregate(each))
        for each in aggregations(proxy)
        if not each.structured_query.order_by
    }
    assert counted == {
        (collection, fields | {last}) for collection, fields, last, _ in declared() - lists
    }


def test_range_field_follows_equality_fields_and_precedes_sums() -> None:
    """Otherwise Firestore cannot use the index."""
    orders = {
        tuple(field["fieldPath"] for field in index["fields"])
        for index in INDEXES["indexes"]
        if index["collectionGroup"] == "costs"
    }

    assert orders == {("mediaType", "wasClaimed", "createdAt"), ("createdAt", "estimatedCostUsd")}


def test_no_other_field_is_indexed() -> None:
    fields = [(each["collectionGroup"], each["fieldPath"]) for each in INDEXES["fieldOverrides"]]
    unindexed = {group for group, field in fields if field == "*"}
    indexed = {field["fieldPath"] for index in INDEXES["indexes"] for field in index["fields"]}

    assert unindexed == set(Collection)
    assert len(fields) == len(set(fields))
    assert indexed | {field for _, field in fields if field != "*"} == INDEXED
    assert all(
        index["queryScope"] == "COLLECTION"
        for each in [*INDEXES["indexes"], *INDEXES["fieldOverrides"]]
        for index in each.get("indexes", [each])
    )
