"""What karpathy/nanochat adds to a GPT: value embeddings, a mixed residual stream, smear and backout, and its init."""
