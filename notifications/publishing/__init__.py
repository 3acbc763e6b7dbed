"""From a committed change to the channels of its audience."""
