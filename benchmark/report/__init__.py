"""Reports on a run file: tables, claims, figures and exports."""
