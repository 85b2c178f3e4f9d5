"""Physical memory from files: ELF cores, raw images, sparse images. A gap is an error, never zeros."""
