"""What an interpreter agent knows and says: glossaries, memory, prompts, turns. No torch."""
