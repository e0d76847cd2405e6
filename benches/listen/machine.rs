//! What stands beside every figure: the machine, its load, the disk's own pace, and who used the processors.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Ticks a second of `/proc/*/stat`; Linux shows 100 to programs whatever it uses itself.
const TICKS_PER_S: f64 = 100.0;
/// Syncs in one measurement of the disk.
const SYNCS: usize = 200;

/// One line: processors, memory, kernel.
pub(crate) fn line() -> String {
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(name));
        let value = found.and_then(|line| line.split_once(':'));
        value.map_or("?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} x {cores}, {}, Linux {}",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        kernel.trim()
    )
}

/// The three load averages.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Seconds of processor time that a process used; 0 if it is gone.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / TICKS_PER_S
}

/// Memory of a process by the name in its status, such as `VmRSS` or `VmHWM`, in MiB.
pub(crate) fn memory_mib(pid: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// How long an append of 4 KiB with fdatasync takes in this folder: median and 99th percentile.
pub(crate) fn fdatasync(folder: &Path) -> (Duration, Duration) {
    let path = folder.join("fdatasync");
    let mut file = fs::File::create(&path).unwrap();
    let mut took: Vec<_> = (0..SYNCS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    fs::remove_file(path).unwrap();
    took.sort_unstable();
    (took[SYNCS / 2], took[SYNCS * 99 / 100])
}
