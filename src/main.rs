//! The program. Its commands are not there yet; the rooms that they will call are in the library.

use clap::Parser;

/// Keeps a seller's stock right on every channel at once
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {}

fn main() {
    Cli::parse();
}
