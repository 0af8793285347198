"""Files in and out: reflections, matrices, sources; float, SMV, PGM and HDF5 images."""
