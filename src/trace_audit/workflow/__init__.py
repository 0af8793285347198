"""Modules for Snakemake's rules: the plan of a run, scripts' logs, the end of a run, Slurm."""
