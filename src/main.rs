//! The program: reads the call, runs the command, reports a failure once, and ends with its code.

use std::process::ExitCode;

use clap::Parser;
use onhand::cli::Cli;
use onhand::commands;
use onhand::config::Environment;
use onhand::output::Out;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let env = Environment::of_process();
    let mut out = Out::standard(cli.global.wishes(&env));
    let code = match commands::run(cli, &env, &mut out) {
        Ok(found) => found.exit_code(),
        Err(failure) => {
            out.error(&failure);
            failure.exit_code()
        }
    };
    ExitCode::from(code)
}
