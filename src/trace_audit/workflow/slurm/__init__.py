"""Workarounds for Snakemake's Slurm plugin that this workflow needs."""
