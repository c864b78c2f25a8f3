"""The synthetic speech corpus: a translation grammar spoken by speech synthesizers.

sentences (`grammar`) -> speech with word times (`espeak`, `flite`, `festival`; `voices`) ->
talks with pauses, rooms and noise (`render`, `acoustics`) -> a corpus on disk (`corpus`).
"""
