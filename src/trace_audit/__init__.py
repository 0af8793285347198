"""Compare two traces of one pixel factor by factor, name the factor that parted first, and keep the evidence."""
