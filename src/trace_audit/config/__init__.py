"""What a user writes: the config file, the scenario files, the device."""
