//! What may be done to the terminal on standard error: colours, and lines that are drawn again.
//!
//! As everywhere: never in a pipe or a file, and not where `TERM` is `dumb`; no colours with `NO_COLOR` or
//! `CLICOLOR=0`, and colours even in a pipe with `CLICOLOR_FORCE=1`. Help texts keep to the same.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};

/// Whether standard error is shown in colours.
pub fn has_colours() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// Whether a line on standard error can be drawn again.
pub fn can_redraw() -> bool {
    io::stderr().is_terminal() && anstyle_query::term_supports_ansi_color()
}
