"""What can be read of the floor: snapshots, lists and figures."""
