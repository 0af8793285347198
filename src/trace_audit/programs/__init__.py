"""The programs under audit: built, run, and what each run depended on."""
