"""What a user has: directories, archives, single files, turned into named sources."""
