# windrow knows its commands and options itself.
windrow completions fish 2>/dev/null | source
