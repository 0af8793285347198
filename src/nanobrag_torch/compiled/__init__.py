"""The kernel as compiled code, kept on disk: its operations recorded, written as C, and built by the machine's compiler."""
