# windrow knows its commands and options itself.
eval "$(windrow completions bash 2>/dev/null)"
