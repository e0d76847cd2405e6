//! What each command does: opens what it needs, asks the rooms, and writes the answer through [`Out`].

mod setup;

use crate::cli::{Cli, Command};
use crate::config::Environment;
use crate::exit::{Failure, Found};
use crate::output::{Out, logging};

/// Runs one command.
///
/// # Errors
/// [`Failure`], which knows its exit code; it was not reported yet.
pub fn run(cli: Cli, env: &Environment, out: &mut Out) -> Result<Found, Failure> {
    let Cli { global, command } = cli;
    logging::start(
        global.quiet,
        global.verbose,
        env.get("RUST_LOG"),
        out.color_talk(),
    )?;
    match command {
        Command::Init => setup::init(global.config.as_deref(), out),
        Command::Completions(args) => setup::completions(&args, out),
        Command::Man(args) => setup::man(&args, out),
    }
}
