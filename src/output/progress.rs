//! Progress bars: on stderr, decided once, here.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bars are seen only on a terminal, and where neither silence nor the log was asked for.
pub const fn shown(stderr_is_terminal: bool, quiet: bool, verbose: u8) -> bool {
    stderr_is_terminal && !quiet && verbose == 0
}

/// A bar with a label, or a spinner if the total is not known; hidden if it is not to be seen.
pub fn bar(shown: bool, total: Option<u64>, label: &'static str) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left",
        None => "{msg} {spinner} {human_pos} {per_sec} {elapsed}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
        .with_style(style)
        .with_message(label);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over bytes; its message says how many rows they were.
pub fn bytes_bar(shown: bool, total: u64) -> ProgressBar {
    let bar = bar(shown, Some(total), "");
    if shown {
        let style = ProgressStyle::with_template(BYTES_TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
    }
    bar
}

const BYTES_TEMPLATE: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_seen_only_by_a_person_who_did_not_ask_otherwise() {
        for (terminal, quiet, verbose, seen) in [
            (true, false, 0, true),
            (false, false, 0, false),
            (true, true, 0, false),
            (true, false, 1, false),
            (false, true, 3, false),
        ] {
            assert_eq!(shown(terminal, quiet, verbose), seen);
        }
        assert!(bar(false, Some(3), "rows").is_hidden());
        assert!(bytes_bar(false, 3).is_hidden());
    }

    #[test]
    fn every_template_is_right() {
        for template in [
            "{msg} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left",
            "{msg} {spinner} {human_pos} {per_sec} {elapsed}",
            BYTES_TEMPLATE,
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
