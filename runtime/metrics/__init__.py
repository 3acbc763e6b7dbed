"""What Prometheus reads from this process."""
