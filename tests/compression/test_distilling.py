"""The loss of a student: its parts, its ends, and who may teach whom."""

import numpy as np
import pytest

from nanochat.compression.blocks import gpt_of
from nanochat.compression.distilling import Distilled, check_teacher, of_layers
from nanochat.engine.tensor import ops
from nanochat.engine.tensor.ops.divergence import kl_divergence
from nanochat.errors import ConfigError
from nanochat.tokenizers import CharTokenizer
from nanochat.tokenizers.files import tokenizer_from_dict

INPUTS = np.random.default_rng(3).integers(1, 8, (3, 8))
TARGETS = np.where(INPUTS == 3, -1, INPUTS[:, ::-1])


def test_the_loss_is_its_two_parts(snapshot_of):
    student, teacher = gpt_of(snapshot_of(1, n_layer=1)), gpt_of(snapshot_of(2))
    z, t = student.predict(INPUTS), teacher.predict(INPUTS)
    told = kl_divergence(z, teacher=t, targets=TARGETS, temperature=2.0)[0]
    text = ops.cross_entropy(z, targets=TARGETS)[0]
    for alpha in (0.3, 1.0):
        loss = Distilled(student, teacher, alpha=alpha, temperature=2.0).loss(INPUTS, TARGETS)
        assert float(loss) == pytest.approx(alpha * told + (1 - alpha) * text, rel=1e-5)  # float32


def test_without_a_share_for_the_teacher_it_is_plain_training_to_the_bit(snapshot_of):
    student, teacher = gpt_of(snapshot_of(1, n_layer=1)), gpt_of(snapshot_of(2))
    gradients = []
    for model in (student, Distilled(student, teacher, alpha=0, temperature=2.0)):
        student.wte.weight.grad = None
        model.loss(INPUTS, TARGETS).backward()
        gradients.append(student.wte.weight.grad.copy())
    np.testing.assert_array_equal(*gradients)


def test_the_teacher_learns_nothing(snapshot_of):
    student, teacher = gpt_of(snapshot_of(1, n_layer=1)), gpt_of(snapshot_of(2))
    model = Distilled(student, teacher, alpha=0.5, temperature=2.0)
    model.loss(INPUTS, TARGETS).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert model.n_parameters() == student.n_parameters()


def test_a_teacher_of_other_tokens_or_other_rows_is_refused(snapshot_of):
    teacher = snapshot_of()
    check_teacher(teacher, tokenizer_from_dict(dict(teacher.tokenizer)), 8)
    with pytest.raises(ConfigError, match="cuts text into other tokens"):
        check_teacher(teacher, CharTokenizer("abcdefh"), 8)
    with pytest.raises(ConfigError, match="reads block_size=9 tokens and the teacher 8"):
        check_teacher(teacher, tokenizer_from_dict(dict(teacher.tokenizer)), 9)


@pytest.mark.parametrize(("layers", "part"), [([2], "layer 2 is none"), ([0, 0], "twice"), ([], "none")])
def test_layers_that_are_not_there_are_refused(snapshot_of, layers, part):
    with pytest.raises(ConfigError, match=part):
        of_layers(snapshot_of(), layers)
