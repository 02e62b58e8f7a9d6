"""The catalogue's routes, declared by what they change. Read without torch and PIL."""
