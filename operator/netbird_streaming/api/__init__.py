"""The custom resources: their schemas, their status and their validation rules."""
