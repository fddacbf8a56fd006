"""The apps that ship with catchment. They use its public names only, and do not know each other."""
