"""Whether our model, optimizer and curve are those of karpathy/nanochat, line by line."""
