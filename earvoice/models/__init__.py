"""Networks: front-ends, speech encoders, adapters, language models."""
