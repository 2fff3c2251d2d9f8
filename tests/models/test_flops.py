"""Operations of a token, counted by hand for one small model and its variants."""

from nanochat.models.flops import flops_per_token
from nanochat.models.gpt.config import GPTConfig

SMALL = {"vocab_size": 10, "block_size": 8, "n_layer": 4, "n_head": 2, "n_embd": 6, "positions": "learned"}
HEAD = 10 * 6


def a_block(inner: int) -> int:
    return 3 * inner * 6 + inner * 6 + 2 * 4 * 6 * 6


def test_products_of_weights_and_of_attention_are_counted():
    assert flops_per_token(GPTConfig(**SMALL)) == 6 * (HEAD + 4 * a_block(6)) + 12 * 4 * 6 * 8


def test_a_window_shortens_what_a_token_attends_to():
    config = GPTConfig(**SMALL, window=3)
    assert flops_per_token(config) == 6 * (HEAD + 4 * a_block(6)) + 12 * 4 * 6 * 3


def test_of_windows_by_turns_each_layer_counts_its_own():
    config = GPTConfig(**SMALL, window=3, window_pattern="SSSL")
    assert flops_per_token(config) == 6 * (HEAD + 4 * a_block(6)) + 12 * 6 * (3 * 3 + 8)


def test_heads_of_a_width_of_their_own_count_with_it():
    config = GPTConfig(**SMALL, head_dim=4)
    assert flops_per_token(config) == 6 * (HEAD + 4 * a_block(8)) + 12 * 4 * 8 * 8
