"""What each kernel release writes and keeps."""
