"""What all parts lean on: errors, files, devices, settings, the console."""
