"""A small restaurant to try things on. Only the command line and DEMO=1 import it."""
