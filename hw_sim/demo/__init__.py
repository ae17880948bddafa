"""One scripted treatment, reported in the terminal (`make run`)."""
