"""Questions about models: which variant is better, are the engines right, how fast are they."""
