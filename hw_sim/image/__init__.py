"""What is on the flash: its file system, the MicroPython image, and the release as it ships."""
