"""Text without torch: tokens, growing token prefixes, prompt templates, languages."""
