#compdef windrow
# windrow knows its commands and options itself.
eval "$(windrow completions zsh 2>/dev/null)"
_windrow "$@"
