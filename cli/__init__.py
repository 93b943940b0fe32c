"""The `phoenix` command."""

from shared import startup


def run() -> None:
    startup.begin()
    from cli.main import main

    main()
