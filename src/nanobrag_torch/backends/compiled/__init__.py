"""The kernel as compiled code: its operations recorded, written as C, built by the machine's compiler, and kept."""
