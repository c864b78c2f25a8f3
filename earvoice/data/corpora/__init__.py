"""Published corpora, as they lie on a user's disk, made into manifests of ours."""
