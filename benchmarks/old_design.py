"""The design that Phoenix replaces: Flask, a debit in Redis, and a task through Celery.

It has no authentication, no ledger, and no write that survives a power cut. Only the benchmark uses
it; its packages are in requirements/bench.txt.
"""

import json
import os
import uuid

import redis
from celery import Celery
from flask import Flask, Response, request

REDIS_URL = os.environ["OLD_DESIGN_REDIS_URL"]
COST_TOKENS = 1
START_TOKENS = 1_000_000_000
DEBIT = """
local balance = tonumber(redis.call('GET', KEYS[1]) or ARGV[2])
if balance < tonumber(ARGV[1]) then return -1 end
redis.call('SET', KEYS[1], balance - ARGV[1])
return balance - ARGV[1]
"""

app = Flask(__name__)
store = redis.Redis.from_url(REDIS_URL)
debit = store.register_script(DEBIT)
celery = Celery("old_design", broker=REDIS_URL)
celery.conf.task_ignore_result = True


def _generate(creation_id: str, prompt: str) -> None:
    """Do nothing: no worker runs."""


generate = celery.task(_generate, name="generate")


@app.post("/generate")
def open_creation() -> Response:
    body = request.get_json()
    user = request.headers["Authorization"].removeprefix("Bearer ")
    balance = debit(keys=[f"balance:{user}"], args=[COST_TOKENS, START_TOKENS])
    if balance < 0:
        return Response(status=402)
    creation_id = uuid.uuid4().hex
    fields = {"user": user, "type": body["type"], "prompt": body["prompt"], "status": "pending"}
    store.hset(f"creation:{creation_id}", mapping=fields)
    generate.apply_async(args=[creation_id, body["prompt"]])
    answer = {"creationId": creation_id, "tokenBalance": balance}
    return Response(json.dumps(answer), status=202, content_type="application/json")
