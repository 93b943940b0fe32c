"""`python -m cli`: the `phoenix` command where it is not installed, as in the API's image."""

from shared.settings.sealed_environment import enforce

enforce(takes_arguments=True)

from cli.main import main  # noqa: E402 (vendors read the environment when they are imported)

main()
