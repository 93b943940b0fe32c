"""Defensive access to JSON of unknown shape."""


def json_object(value: object) -> dict[str, object]:
    """Return the value if it is a JSON object, else raise `ValueError`."""
    if isinstance(value, dict):
        return value
    raise ValueError("the response is not a JSON object")


def get_path(value: object, *path: str | int) -> object:
    """Return the value at a path of names and indexes, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def get_list(value: object, *path: str | int) -> list[object]:
    """Return the list at a path, or an empty one."""
    found = get_path(value, *path)
    return found if isinstance(found, list) else []


def get_first(value: object, *names: str) -> object:
    """Return the first of these fields that is not empty, or None."""
    return next((found for name in names if (found := get_path(value, name))), None)
