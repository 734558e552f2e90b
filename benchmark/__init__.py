"""The trunk: plans, runs, run files, published tables and the command line."""
