"""The page that `crispseg app` serves. Only `page`, `events` and `server` know Gradio; a session does without it."""
