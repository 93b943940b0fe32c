"""What the platform allows and charges, with sources, and what `phoenix capacity` assumes.

Quotas are the defaults of a project, prices those of us-central1, in US dollars.
"""

from dataclasses import dataclass

from shared.adapters.google_models.cards import ModelCard
from shared.domain.kind import Kind
from shared.lifecycle.folding import FOLD_SIZE


@dataclass(frozen=True)
class Quote:
    """A quota or a price, the vendor's page, and when that was read."""

    what: str
    value: float
    source: str
    read: str
    assumed: str = ""
    """Why the value is not the page's."""


@dataclass(frozen=True)
class JobSize:
    vcpu: int
    gib: int


RUN_QUOTAS = "https://docs.cloud.google.com/run/quotas"
RUN_PRICES = "https://cloud.google.com/run/pricing"
FIRESTORE_LIMITS = "https://firebase.google.com/docs/firestore/best-practices"
SHARDED_TIMES = "https://firebase.google.com/docs/firestore/solutions/shard-timestamp"
FIRESTORE_QUOTAS = "https://cloud.google.com/firestore/quotas"
FIRESTORE_PRICES = "https://cloud.google.com/firestore/pricing"
TASKS_PRICES = "https://cloud.google.com/tasks/pricing"
R2_PRICES = "https://developers.cloudflare.com/r2/pricing"
NETWORK_PRICES = "https://cloud.google.com/vpc/network-pricing"
LOG_PRICES = "https://cloud.google.com/stackdriver/pricing"
VEO_QUOTAS = "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/veo/3-1-generate"
GENERATOR_PRICES = "https://ai.google.dev/gemini-api/docs/pricing"
BY_REGION = "its prices by region could not be read; others quote this for the US"

STARTS_PER_MIN = Quote("jobs:run a minute and region", 60, RUN_QUOTAS, "2026-11-21", "the default is 180; one project had 60")  # fmt: skip
EXECUTIONS_MAX = Quote("running executions of a region", 1000, RUN_QUOTAS, "2026-11-29")
WRITES_PER_S = Quote("Firestore, writes/s", 10_000, FIRESTORE_LIMITS, "2026-11-21", "no limit but +50 % in 5 minutes; an earlier page had 10,000")  # fmt: skip
INDEX_WRITES_PER_S = Quote(
    "Firestore, writes/s of a rising index", 500, SHARDED_TIMES, "2026-11-29"
)
DOCUMENT_WRITES_PER_S = Quote(
    "Firestore, writes/s of a document", 1, FIRESTORE_QUOTAS, "2026-11-21"
)
VEO_STARTS_PER_MIN = Quote("Veo, starts a minute", 10, VEO_QUOTAS, "2026-11-29", "the number of Veo 3.0, which is retired; that of 3.1 could not be read")  # fmt: skip
JOB_VCPU_S = Quote("job, $ a vCPU-second", 0.000018, RUN_PRICES, "2026-11-29")
JOB_GIB_S = Quote("job, $ a GiB-second", 0.000002, RUN_PRICES, "2026-11-21")
JOB_BILLED_S_MIN = Quote("job, least seconds billed for an execution", 60, RUN_PRICES, "2026-11-21")
JOB_FREE_VCPU_S = Quote("job, free vCPU-seconds a month", 240_000, RUN_PRICES, "2026-11-21")
JOB_FREE_GIB_S = Quote("job, free GiB-seconds a month", 450_000, RUN_PRICES, "2026-11-21")
API_VCPU_S = Quote("API, $ a vCPU-second with a request", 0.000024, RUN_PRICES, "2026-11-29")
API_GIB_S = Quote("API, $ a GiB-second with a request", 0.0000025, RUN_PRICES, "2026-11-21")
API_REQUEST = Quote("API, $ a million requests", 0.40, RUN_PRICES, "2026-11-21")
FIRESTORE_READ = Quote("Firestore, $ for 100,000 reads", 0.03, FIRESTORE_PRICES, "2026-11-29", BY_REGION)  # fmt: skip
FIRESTORE_WRITE = Quote("Firestore, $ for 100,000 writes", 0.09, FIRESTORE_PRICES, "2026-11-29", BY_REGION)  # fmt: skip
FIRESTORE_GIB = Quote("Firestore, $ a GiB and month", 0.15, FIRESTORE_PRICES, "2026-11-29", BY_REGION)  # fmt: skip
TASK_OPERATION = Quote("Cloud Tasks, $ a million operations", 0.40, TASKS_PRICES, "2026-11-29")
TASKS_FREE = Quote("Cloud Tasks, free operations a month", 1_000_000, TASKS_PRICES, "2026-11-29")
R2_GB = Quote("R2, $ a GB and month", 0.015, R2_PRICES, "2026-11-29")
R2_CLASS_A = Quote("R2, $ a million writes (class A)", 4.50, R2_PRICES, "2026-11-29")
R2_CLASS_B = Quote("R2, $ a million reads (class B)", 0.36, R2_PRICES, "2026-11-29")
NETWORK_GIB = Quote("network to R2, $ a GiB: the first TiB's; later ones cost less", 0.12, NETWORK_PRICES, "2026-09-20")  # fmt: skip
LOG_GIB = Quote("logs, $ a GiB", 0.50, LOG_PRICES, "2026-09-12")
LOGS_FREE_GIB = Quote("logs, free GiB a month", 50, LOG_PRICES, "2026-09-12")

QUOTES = tuple(each for each in list(globals().values()) if isinstance(each, Quote))


def of_generator(card: ModelCard) -> Quote:
    unit = "an image" if card.kind is Kind.IMAGE else "a second"
    why = "the model card's estimate; this model's price could not be read"
    return Quote(f"{card.model}, $ {unit}", card.price_usd, GENERATOR_PRICES, "2026-11-29", why)


# As `infrastructure/gcp/provision_generation_jobs.sh` sets them.

DISPATCHES_PER_MIN = {Kind.IMAGE: 45, Kind.VIDEO: 10}
JOB_SIZES = {Kind.IMAGE: JobSize(vcpu=1, gib=1), Kind.VIDEO: JobSize(vcpu=2, gib=4)}
API_INSTANCES_MAX = 10

# As the API and its pages have them: tests/cli/test_capacity_counts.py.

STREAMS_PER_INSTANCE = 100
"""`CLOUD_STREAMS_MAX`."""
SETTLED_S = 60
"""How long a stream continues when nothing of its owner is unfinished."""
POLL_BUSY_S, POLL_IDLE_S = 3, 20
"""How often a visible page polls while something is unfinished, and while nothing is."""

# Counted on the real lifecycle, without heartbeats and folds: tests/cli/test_capacity_counts.py.

READS = {Kind.IMAGE: 17, Kind.VIDEO: 19}
"""Documents read for one creation, from the debit to the draft."""
WRITES = {Kind.IMAGE: 18, Kind.VIDEO: 20}
SHOWN_WRITES = {Kind.IMAGE: 9, Kind.VIDEO: 10}
"""Those of documents that an open page shows: its stream reads each again."""
LEASE_INDEX = "creations.sweepAt"
"""Each heartbeat writes it once more."""
LIKE_INDEX, LIKES = "likes.changedAt", 3
"""Assumed: so many likes are given or withdrawn for each creation."""
FOLD_READS = 2 + 1 / FOLD_SIZE
"""What the sweep reads for each outcome: in its list, and in the fold with the hour's document."""
FOLD_WRITES = 1 + 1 / FOLD_SIZE
"""What the sweep adds for each outcome: the outcome itself, and its share of the hour's document."""
INDEX_WRITES = {
    LEASE_INDEX: 6,
    "creations.availableAt": 2,
    "creations.deadlineAt": 2,
    "costs.createdAt": 1,
    LIKE_INDEX: LIKES,
    "costs.foldAt": 2,
    "creations.expiresAt": 1,
}
"""How often a creation, with its fold, changes each index of rising values: times, in no order of owners.

Those of `createdAt` of creations and of the ledger begin with the owner, and so are spread.
"""
AUDITED_DOCUMENTS = 4
"""What an audit of everything reads of a creation: itself, its internals, its debit and its outcome."""
NEW_DOCUMENTS = 4
"""What the nightly audit reads of a new creation: its debit, itself, its internals and its refund, also
if there is none."""
ACCOUNT_DOCUMENTS = 2
"""Of each account: itself, and its checkpoint (nightly) or its username (everything)."""

# Measured: benchmarks/results.md, and simulated: 2,000 to 8,000 images, 600 to 3,000 videos.

POST_CPU_S = 0.0024
READ_CPU_S = 0.001
OCCUPANCY = {Kind.IMAGE: 0.55, Kind.VIDEO: 0.8}
"""The share of an execution's places in use: it begins with one and ends with its last creation.

Simulated: images 0.33 to 0.37 at 200 a minute, 0.45 to 0.50 at 500, 0.55 to 0.61 at 1,000; videos 0.64
at 20, 0.71 at 30, 0.82 at 60, 0.88 at 100. Videos have more, because a start is accepted at once, so
that four are taken within seconds, and the seconds between two looks are few of a video's 90. A place
for an image is opened only when the first image is there: Gemini answers its start with the image.
"""
DRAIN_READS = 4
"""Documents that looks and refused claims read for each creation .."""
DRAIN_READS_PER_CROWDING = 1
""".. and how many more for each time that arrivals exceed the queue's rate."""

# Assumed.

START_S = 5
"""From an execution's billed start to its claim."""
CPU_SHARE_MAX = 0.6
"""The share of an API instance's CPU that may be in use."""
REQUESTS = 10
"""Requests for each creation, one of them a POST."""
OPEN_S = 300
"""How long an owner's page is open and visible for each creation .."""
STREAM_READS = 51
""".. whose stream reads an account and its 50 newest creations .."""
POLL_READS = 50
""".. and each poll the creations: also one that is answered by a 304."""
VIEWS = 10
"""How often each file and each thumbnail is read from R2."""
MEDIA_MB = {Kind.IMAGE: 1.6, Kind.VIDEO: 6.0}
"""A file of usual size with its thumbnail."""
FIRESTORE_KB = 6
"""What stays of a creation, with index entries."""
LOG_KB = 15
"""25 log lines, ours and the platform's."""
GAUGE_READS = 8
"""Reads of one API instance every `gauges_every_s`."""
CREATIONS_OF_AN_ACCOUNT = 10
"""Creations of an account in a month."""
WHOLE_AUDITS_PER_MONTH = 30 / 7
