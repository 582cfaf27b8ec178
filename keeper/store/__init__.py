"""What the keeper keeps."""
