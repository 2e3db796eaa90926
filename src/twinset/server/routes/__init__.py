"""What is asked by which address."""
