"""How it is measured: jobs, worker processes and devices."""
