"""Compare two traces of one pixel factor by factor, name the first factor that differs, and keep the evidence."""

from nanobrag_torch.faults import interrupts

interrupts.at_start("trace_audit")
