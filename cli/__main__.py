"""`python -m cli`: the `phoenix` command where it is not installed, as in the API's image."""

from cli import run
from shared.settings.sealed_environment import enforce

enforce(takes_arguments=True)  # before vendors are imported, which read the environment
run()
