"""`python -m cli`: the `phoenix` command where it is not installed, as in the API's image."""

from cli.main import main

main()
