"""The command `connector-secrets`: makes keys, encrypts settings, finds secrets in clear."""
