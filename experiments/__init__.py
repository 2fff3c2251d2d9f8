"""Many runs: the grid of an ablation, its statistics, figures and reports; a list of the runs that there are."""
