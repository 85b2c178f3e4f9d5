"""What holds for all tests."""

from hypothesis import settings

pytest_plugins = ["selection"]

# No test asserts a time: on a busy machine an example takes as long as it takes.
settings.register_profile("kho-tui", deadline=None)
settings.load_profile("kho-tui")
