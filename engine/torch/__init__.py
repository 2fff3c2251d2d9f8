"""What training in PyTorch needs beside PyTorch: weights in one vector, our optimizers, several processes."""
