"""Compare two traces of one pixel factor by factor, name the first factor that differs, and keep the evidence."""
