"""Evidence from what models do: shared errors, next tokens, continuations, what they call themselves."""
