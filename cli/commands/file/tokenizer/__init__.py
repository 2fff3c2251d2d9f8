"""`nanochat tokenizer`: text to ids and back."""

from ....parser import Commands
from . import encode, inspect, train

commands = Commands("Text to ids and back.", "nanochat tokenizer inspect latest")
for part in (train, encode, inspect):
    commands.registered_commands += part.commands.registered_commands
