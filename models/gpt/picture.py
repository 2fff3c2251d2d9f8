"""A transformer as a picture: one box for each named part, in the order of the forward pass, with the residual stream.

A box says what the part holds and how large the gradient of it is; an arrow where the numbers go.
"""

from __future__ import annotations

from ...engine.module import Module
from ...engine.parts import Part, parts_of
from ...engine.scalar.pictures.picture import Edge, Node, Picture, number


def picture_of(model: Module) -> Picture:
    """Of any model: its parts in a row; of a transformer, a road beside each attention and each MLP.

    Gradients are those that are there: call backward() first.
    """
    drawing = _Drawing(parts_of(model))
    drawing.draw()
    asked = any(part.grad_norm for part in drawing.parts)
    return Picture(drawing.nodes, drawing.edges, left_out=0, asked=asked)


class _Drawing:
    """Boxes and arrows so far; `stream` are the boxes that the next part reads."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts, self.stream = parts, list[int]()
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def draw(self) -> None:
        """Embeddings side by side, then the branches of each block, then the head."""
        embeddings = [part for part in self.parts if part.kind == "Embedding"]
        self.stream = [self._box(part, []) for part in embeddings]
        branch, road = "", self.stream
        for part in self.parts:
            if part in embeddings:
                continue
            here = _branch(part.name)
            if here != branch:
                self._join(branch, road)
                branch, road = here, self.stream
            self.stream = [self._box(part, self.stream)]
        self._join(branch, road)
        self._add(Node("loss", "", "cross-entropy", "1", "result", 0, "is"), self.stream)

    def _join(self, branch: str, road: list[int]) -> None:
        """What a branch computes is added to what it read."""
        if branch:
            self.stream = [self._add(Node(f"{branch} +", "", "residual", "-", "op", 0, "is"), [*road, *self.stream])]

    def _box(self, part: Part, sources: list[int]) -> int:
        sizes = " ".join(f"{'x'.join(map(str, shape)) or '1'}" for _, shape in part.shapes)
        kind = "op" if sources else "leaf"
        title = part.name or part.kind
        return self._add(
            Node(title, "", f"{sizes} = {part.n_numbers:,}", number(part.grad_norm), kind, 0, "size"), sources
        )

    def _add(self, node: Node, sources: list[int]) -> int:
        self.nodes.append(node)
        self.edges += [Edge(source, len(self.nodes) - 1, "") for source in dict.fromkeys(sources)]
        return len(self.nodes) - 1


def _branch(name: str) -> str:
    """`h.0 attn` of h.0.norm_1 and h.0.attn.qkv, `h.0 mlp` of h.0.norm_2 and h.0.mlp.fc; "" outside the blocks"""
    block, _, rest = name.partition(".")
    index, _, part = rest.partition(".")
    if block != "h" or not part:
        return ""
    return f"h.{index} {'mlp' if part.split('.')[0] in ('norm_2', 'mlp') else 'attn'}"
