"""What follows from a decoded state: who owns which page, what is kept, what it costs."""
