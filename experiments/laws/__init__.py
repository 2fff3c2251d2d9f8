"""Laws: what holds of every sound model, batch, optimizer and sampler, each measured as one number.

Plain functions of what they examine; tests, `nanochat health`, graders and the server call them.
"""
