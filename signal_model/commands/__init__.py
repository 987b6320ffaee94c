"""The commands of `signal-model`, by what they are for."""
