"""The version of simulator, audit and tables, which are released together."""

__version__ = "0.1.0"
