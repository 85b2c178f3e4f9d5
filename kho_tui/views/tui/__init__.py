"""The Textual app."""

import os

# Textual draws at most so many times a second, and an answer to a key is often two drawings, one after the other: at its 60 each of them
# waits for up to 17 ms. Nothing is drawn while nothing changes. Textual reads it when it is imported.
os.environ.setdefault("TEXTUAL_FPS", "240")
