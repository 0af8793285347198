"""Two traces of one pixel: compared factor by factor, the cause named."""
