"""What belongs to one serving process."""
