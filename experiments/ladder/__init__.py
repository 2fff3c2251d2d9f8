"""A study at growing amounts of training or sizes, each rung foretold before it is run."""
