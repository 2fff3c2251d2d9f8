"""`python -m nanochat`: the same as the `nanochat` command."""

from nanochat.cli.app import main

main()
