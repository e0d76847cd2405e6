//! `init`, `completions`, `man`: what works before there is any setting.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use clap::CommandFactory;

use crate::cli::{Cli, Completions, Man};
use crate::config::{DEFAULT_CONFIG, DEFAULT_FILE};
use crate::exit::{Failure, Found};
use crate::output::Out;

/// Writes the commented settings; a file that is there stays as it is.
pub(super) fn init(named: Option<&Path>, out: &mut Out) -> Result<Found, Failure> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let shown = path.display().to_string();
    let disk = |error: std::io::Error| Failure::Disk {
        path: shown.clone(),
        problem: error.to_string(),
    };
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let hint = "name another with --config, or move it away";
            return Err(Failure::call(format!(
                "write {shown}: it is there already; hint: {hint}"
            )));
        }
        Err(error) => return Err(disk(error)),
    };
    file.write_all(DEFAULT_CONFIG.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(disk)?;
    out.note(format!(
        "wrote {shown}; next: name your shops in it, then run `onhand channels check`"
    ));
    Ok(Found::Nothing)
}

/// Prints a completion script.
pub(super) fn completions(args: &Completions, out: &mut Out) -> Result<Found, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "onhand", &mut script);
    out.raw(&script)?;
    Ok(Found::Nothing)
}

/// Prints a manual page.
pub(super) fn man(args: &Man, out: &mut Out) -> Result<Found, Failure> {
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for word in &args.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            let names: Vec<_> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            Failure::call(format!(
                "no command is called {word:?}; hint: one of {}",
                names.join(", ")
            ))
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(crate::output::OutputError::Write)?;
    out.raw(&page)?;
    Ok(Found::Nothing)
}
