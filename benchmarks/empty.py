"""Empty endpoints: what FastAPI and uvicorn cost, with the loop and parser that Phoenix uses."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Body(BaseModel):
    type: str
    prompt: str


@app.post("/sync", status_code=202)
def in_thread(body: Body) -> dict[str, str]:
    return {"type": body.type}


@app.post("/async", status_code=202)
async def on_loop(body: Body) -> dict[str, str]:
    return {"type": body.type}
