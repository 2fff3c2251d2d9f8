"""What a failed comparison means for whoever changed the code: which side is wrong, forward or backward.

Three numbers were compared (loss, gradients between the spellings, gradients against finite differences), and the
pattern of what fails says more than its size. The lowest floor that fails is the address: op, layer, block, model.
"""

from __future__ import annotations

from collections.abc import Sequence

from .finding import ENGINES_TOLERANCE, SLOPE_TOLERANCE, Finding, worst

_FLOORS = {
    "op": "an op is wrong by itself",
    "layer": "every op passes, so it is how this layer calls them",
    "model": "ops and layers pass, so it is the wiring: embedding, positions, residual, head",
    "edge": "it is where the formula ends: nan, infinities, nothing at all",
}


def read_finding(finding: Finding) -> str:
    """One sentence without its full stop: what the pattern of one failed row says."""
    if finding.raised:
        return f"it ends in {finding.raised}, where it should end in a number"
    if finding.kind == "edge":
        return "the spellings differ where the formula ends: compare what each returns for nan and infinity"
    wrong = [
        side
        for side, errors in (("tensor", finding.slope_errors), ("scalar", finding.scalar_slope_errors))
        if not worst(errors.values()) <= SLOPE_TOLERANCE
    ]
    loss_agrees = finding.loss_error <= ENGINES_TOLERANCE
    if not wrong and finding.engines_error <= ENGINES_TOLERANCE:
        if not finding.compiled_error <= ENGINES_TOLERANCE:
            return "the replay is wrong, engine and arrays agree: look at the rule of the op in engine/compiled"
        if not finding.torch_agrees:
            return "the spelling in PyTorch differs, ours agree: look at engine/torch or models/*/torch.py"
        return "loss, gradients and slopes agree"
    if not wrong:
        return (
            "slopes right, spellings differ: you changed the function, not its derivative; compare the forward passes "
            "(scale, mask, axis of softmax, heads, eps)"
        )
    sides = " and the ".join(wrong)
    if loss_agrees:
        return f"the losses agree and the {sides} side's gradients are not its slopes: its backward pass is wrong"
    return f"the losses differ and the {sides} side's gradients are not its slopes: look at its forward pass, then back"


def read_failures(findings: Sequence[Finding]) -> str:
    """The address, and what the first row there says. "" where all pass."""
    failed = [finding for finding in findings if not finding.passed]
    for kind, where in _FLOORS.items():
        here = [finding for finding in failed if finding.kind == kind]
        if here:
            return f"{kind} {here[0].name}: {read_finding(here[0])} ({where})"
    return ""
