"""What models said: answers to items, prompts and replies, from files, transcripts and endpoints."""
