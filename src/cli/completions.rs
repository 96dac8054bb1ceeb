//! `windrow completions`: what a shell needs to complete windrow's commands and options.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

/// Arguments of `windrow completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    windrow completions bash > ~/.local/share/bash-completion/completions/windrow\n  \
    windrow completions zsh > ~/.zfunc/_windrow\n  \
    windrow completions fish > ~/.config/fish/completions/windrow.fish")]
pub struct Arguments {
    /// Which shell
    shell: Shell,
}

/// Prints the shell's script for the command line `command`.
pub fn run(
    arguments: &Arguments,
    mut command: clap::Command,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    // Into memory first: the generator panics where it can't write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "windrow", &mut script);
    Ok(out.write_all(&script)?)
}
