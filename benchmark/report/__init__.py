"""What is told of a run file: tables, claims, figures and exports."""
