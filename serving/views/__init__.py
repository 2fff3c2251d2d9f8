"""/api: a model, a formula and a run as numbers, for the page that draws them."""
