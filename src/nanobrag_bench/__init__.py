"""Times and memory of both programs on this machine; not a part of the audit."""

from nanobrag_torch.faults import interrupts

interrupts.at_start("nanobrag_bench")
