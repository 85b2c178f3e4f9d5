"""Captures broken at random in ways that a crash, a bad disk or an attacker would: reading them must end well."""
