"""Campaigns: diffraction images by the million, planned, simulated in shards, audited by sample, and joined again."""

from nanobrag_torch.faults import interrupts

interrupts.at_start("nanobrag_campaign")
