"""The formats of KHO and LUO, one module a subsystem, versions side by side."""
