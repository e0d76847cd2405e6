//! The log, on stderr. How much is decided by `-v`; libraries that see tokens never get to speak in detail.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::OutputError;

/// Libraries whose detailed log holds headers or bodies, and so tokens and buyers.
const SEES_SECRETS: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tower",
    "tower_http",
    "axum",
];

/// What is logged: warnings, with `-v` also information, `-vv` debugging, `-vvv` everything of ours; errors alone with
/// `--quiet`. Other crates speak one level less. `directives` replaces that, in the form of `tracing`
/// (`onhand::ledger=debug`); libraries that see secrets stay at information in any case.
///
/// # Errors
/// [`OutputError::Log`] if the directives are not understood.
pub fn filter(
    quiet: bool,
    verbose: u8,
    directives: Option<&str>,
) -> Result<EnvFilter, OutputError> {
    let usual = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,onhand=info",
        (false, 2) => "info,onhand=debug",
        (false, _) => "debug,onhand=trace",
    };
    let wanted = directives.unwrap_or(usual);
    let wrong = |error: &dyn std::fmt::Display| OutputError::Log(format!("{wanted:?}: {error}"));
    let below = |part: &str| {
        let target = SEES_SECRETS
            .iter()
            .find_map(|library| part.trim_start().strip_prefix(library));
        target.is_some_and(|rest| rest.starts_with("::"))
    };
    // A longer target or a span would win over the cap below.
    if wanted.contains('[') || wanted.split(',').any(below) {
        return Err(wrong(
            &"spans, and parts of libraries that see secrets, cannot be chosen",
        ));
    }
    let mut filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::ERROR.into())
        .parse(wanted)
        .map_err(|error| wrong(&error))?;
    let detailed = filter
        .max_level_hint()
        .is_none_or(|level| level > LevelFilter::INFO);
    if detailed {
        for library in SEES_SECRETS {
            let capped = format!("{library}=info")
                .parse()
                .map_err(|error| wrong(&error))?;
            filter = filter.add_directive(capped);
        }
    }
    Ok(filter)
}

/// Starts the log of this process.
///
/// # Errors
/// [`OutputError::Log`] if the directives are not understood, or a log was started before.
pub fn start(
    quiet: bool,
    verbose: u8,
    directives: Option<&str>,
    color: bool,
) -> Result<(), OutputError> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(color)
        .with_env_filter(filter(quiet, verbose, directives)?)
        .try_init()
        .map_err(|error| OutputError::Log(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn level(quiet: bool, verbose: u8, directives: Option<&str>) -> LevelFilter {
        let filter = filter(quiet, verbose, directives).unwrap();
        filter.max_level_hint().unwrap_or(LevelFilter::TRACE)
    }

    #[test]
    fn each_v_says_more() {
        assert_eq!(level(true, 3, None), LevelFilter::ERROR);
        assert_eq!(level(false, 0, None), LevelFilter::WARN);
        assert_eq!(level(false, 1, None), LevelFilter::INFO);
        assert_eq!(level(false, 2, None), LevelFilter::DEBUG);
        assert_eq!(level(false, 3, None), LevelFilter::TRACE);
        assert_eq!(level(true, 0, Some("onhand=debug")), LevelFilter::DEBUG);
    }

    #[test]
    fn libraries_that_see_secrets_never_speak_in_detail() {
        for directives in [
            None,
            Some("trace"),
            Some("hyper=trace,reqwest=debug,h2=trace"),
            Some("onhand=trace,trace"),
        ] {
            let shown = filter(false, 3, directives).unwrap().to_string();
            for library in SEES_SECRETS {
                assert!(
                    shown
                        .split(',')
                        .any(|part| part == format!("{library}=info")),
                    "{shown}"
                );
                assert!(!shown.contains(&format!("{library}=trace")), "{shown}");
            }
        }
    }

    #[test]
    fn directives_that_mean_nothing_are_refused() {
        for directives in [
            "onhand=loud",
            "=debug=x",
            "a=b=c",
            "onhand[",
            "x=9",
            "[push]=trace",
            "hyper::proto=trace",
            "info, reqwest::connect=trace",
        ] {
            assert!(filter(false, 0, Some(directives)).is_err(), "{directives}");
        }
    }
}
