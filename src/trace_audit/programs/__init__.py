"""The programs under audit: how they are built and run, and what each run depended on."""
