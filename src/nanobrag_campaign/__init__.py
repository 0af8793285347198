"""Campaigns: diffraction images by the million, planned, simulated in shards, audited by sample, and joined again."""
