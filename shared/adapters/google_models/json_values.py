"""Reading an answer's raw JSON without trusting its shape."""


def json_object(answer: object) -> dict[str, object]:
    """Return an answer that is a JSON object, or raise `ValueError`."""
    if isinstance(answer, dict):
        return answer
    raise ValueError("the answer is no JSON object")


def at(answer: object, *path: str | int) -> object:
    """Return what is at a path of names and places in an answer, or None."""
    for step in path:
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and isinstance(step, int) and step < len(answer):
            answer = answer[step]
        else:
            return None
    return answer


def all_at(answer: object, *path: str | int) -> list[object]:
    """Return the list at a path in an answer, or an empty one."""
    found = at(answer, *path)
    return found if isinstance(found, list) else []


def first_at(answer: object, *names: str) -> object:
    """Return the first of these fields that holds anything, or None."""
    return next((found for name in names if (found := at(answer, name))), None)
