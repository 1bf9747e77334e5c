"""Watches the rows of today: do they still look like those that the serving model was tested on?"""
