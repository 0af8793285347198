"""Snakemake's Slurm plugin, and what it needs to run this workflow."""
