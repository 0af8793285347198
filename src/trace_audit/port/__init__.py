"""The audit of any port: a program that this project did not write, known by its printed values and its image."""
