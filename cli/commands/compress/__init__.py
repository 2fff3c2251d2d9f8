"""`nanochat compress`: a trained model made smaller, with what it costs."""

from ...parser import Commands
from . import distill, prune, quantize

commands = Commands("Make a trained model smaller, and measure what it costs.", "nanochat compress quantize --bits 8")
for part in (quantize, prune, distill):
    commands.registered_commands += part.commands.registered_commands
