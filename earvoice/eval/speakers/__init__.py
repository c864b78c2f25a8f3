"""Who said what: error rates and BLEU of text with speaker labels."""
