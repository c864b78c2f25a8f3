"""Two people, two languages: dialogues with word times, in rooms, heard by several microphones."""
