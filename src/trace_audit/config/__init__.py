"""The user's input: the config file, the scenario files, the device."""
