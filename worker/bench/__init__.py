"""What is measured with a database."""
