"""What subtrees and files hold, as they answer for themselves."""
