"""What Snakemake's rules use: the plan of a run, scripts' logs, the end of a run, Slurm."""
