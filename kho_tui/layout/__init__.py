"""Declarations of wire structs: one declaration gives decode, encode, spans and bulk arrays."""
