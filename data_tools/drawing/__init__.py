"""What the project draws flat: number plates."""
