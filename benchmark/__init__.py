"""The benchmark itself: plans, runs, run files, published tables and the command line."""
