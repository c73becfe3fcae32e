"""Daemons over the database and the trainer: processes, signals, time and settings.

``worker`` knows both ``schema`` (the database) and ``trainer`` (the learning); neither of them
knows the other, nor anything of this package.
"""
