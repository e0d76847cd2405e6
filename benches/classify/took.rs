//! What one run of a program takes: wall, processor time, the most memory.

#![expect(clippy::disallowed_methods, reason = "a measurement takes the time")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks a second of `/proc/*/stat`.
const TICKS_PER_S: f64 = 100.0;
/// How often a child's memory is looked at.
const LOOK: Duration = Duration::from_millis(4);

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_mib: f64,
}

/// Runs to the end. A child that has ended keeps its times until it is waited for, and they are read then.
pub(crate) fn run(mut command: Command) -> Took {
    let begin = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_mib: f64 = 0.0;
    let cpu_s = loop {
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            let ticks = |idx: usize| {
                fields
                    .get(idx)
                    .and_then(|text| text.parse::<f64>().ok())
                    .unwrap_or(0.0)
            };
            break (ticks(11) + ticks(12)) / TICKS_PER_S;
        }
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        peak_mib = peak_mib.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(LOOK);
    };
    let wall_s = begin.elapsed().as_secs_f64();
    let status = child.wait().unwrap();
    // Rows that were rejected end with 1.
    assert!(matches!(status.code(), Some(0 | 1)), "{command:?} failed");
    Took {
        wall_s,
        cpu_s,
        peak_mib,
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processors.
pub(crate) fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} x {cores}", model.map_or("?", |(_, name)| name.trim()))
}

/// The three load averages.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
