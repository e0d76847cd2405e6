//! What runs beside the sales: `[reconcile]`, how differences are judged, and `[schedule]`, when jobs run.

use std::path::PathBuf;

use chrono_tz::Tz;

use super::read::{Reader, Section};
use crate::domain::brake::Brakes;
use crate::domain::drift::Share;
use crate::domain::schedule::Timing;

/// `[reconcile]`: how differences between books and channels are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// A change, a push or an order younger than this is under way, in seconds.
    pub in_flight_s: u64,
    /// Below this drift rate all is well. The published line.
    pub healthy: Share,
    /// Above this drift rate something is broken. The published line.
    pub alarm: Share,
    /// What stops a run that would lower too much.
    pub brakes: Brakes,
    /// A run that broke off is gone on with for so long, in seconds; after that it begins anew.
    pub resume_s: u64,
}

impl Default for ReconcileSettings {
    fn default() -> Self {
        Self {
            in_flight_s: 60,
            healthy: Share::from_millionths(1_000),
            alarm: Share::from_millionths(10_000),
            brakes: Brakes {
                lower_max: Share::from_millionths(200_000),
                zero_max: Share::from_millionths(50_000),
                units_max: Share::from_millionths(200_000),
                free: 20,
            },
            resume_s: 21_600,
        }
    }
}

/// A job of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Changes of tier B are sent.
    SyncB,
    /// Changes of tier C are sent.
    SyncC,
    /// Orders are read, for messages that were lost.
    Orders,
    /// Channels are compared with the books, and repaired.
    Reconcile,
    /// The same from the beginning, with the channels' listings read anew.
    ReconcileFull,
    /// Tiers from new exports.
    Classify,
    /// What is too old is forgotten.
    Retention,
}

/// Every job, in the order of lists.
pub const JOBS: [Job; 7] = [
    Job::SyncB,
    Job::SyncC,
    Job::Orders,
    Job::Reconcile,
    Job::ReconcileFull,
    Job::Classify,
    Job::Retention,
];

impl Job {
    /// The key in `[schedule]`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SyncB => "sync_b",
            Self::SyncC => "sync_c",
            Self::Orders => "orders",
            Self::Reconcile => "reconcile",
            Self::ReconcileFull => "reconcile_full",
            Self::Classify => "classify",
            Self::Retention => "retention",
        }
    }

    /// Whether each channel has a run of its own.
    pub const fn per_channel(self) -> bool {
        match self {
            Self::SyncB | Self::SyncC | Self::Orders => true,
            Self::Reconcile | Self::ReconcileFull | Self::Classify | Self::Retention => false,
        }
    }

    const fn when(self) -> &'static str {
        match self {
            Self::SyncB => "1m",
            Self::SyncC | Self::Orders => "5m",
            Self::Reconcile => "3h",
            Self::ReconcileFull => "30 3 * * *",
            Self::Classify => "15 4 * * *",
            Self::Retention => "45 4 * * *",
        }
    }
}

/// When one job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettings {
    /// Which.
    pub job: Job,
    /// When.
    pub timing: Timing,
    /// The zone of its cron line.
    pub zone: Tz,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSettings {
    /// Each job once, in the order of [`JOBS`].
    pub jobs: Vec<JobSettings>,
    /// Folder in which new sales exports appear, relative to the folder of `config.toml`.
    pub exports: Option<PathBuf>,
    /// What reconcile jobs find is repaired; else it is only told.
    pub apply: bool,
    /// How long runs under way may take to end when the schedule stops, in seconds.
    pub goodbye_s: u64,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        let one = |job: Job| JobSettings {
            job,
            timing: Timing::parse(job.when(), Tz::UTC).expect("the defaults are timings"),
            zone: Tz::UTC,
        };
        Self {
            jobs: JOBS.into_iter().map(one).collect(),
            exports: None,
            apply: true,
            goodbye_s: 30,
        }
    }
}

/// Reads `[reconcile]`.
pub(super) fn reconcile<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> ReconcileSettings {
    let mut table = root.section(r, "reconcile");
    let default = ReconcileSettings::default();
    let read = ReconcileSettings {
        in_flight_s: table.number(r, "in_flight_s", default.in_flight_s, 0..=86_400),
        healthy: share(r, &mut table, "healthy", default.healthy),
        alarm: share(r, &mut table, "alarm", default.alarm),
        brakes: Brakes {
            lower_max: share(r, &mut table, "lower_max", default.brakes.lower_max),
            zero_max: share(r, &mut table, "zero_max", default.brakes.zero_max),
            units_max: share(r, &mut table, "units_max", default.brakes.units_max),
            free: {
                let free = u32::try_from(default.brakes.free).unwrap_or(u32::MAX);
                let free = table.number(r, "brake_free", free, 0..=1_000_000);
                usize::try_from(free).unwrap_or(usize::MAX)
            },
        },
        resume_s: table.number(r, "resume_s", default.resume_s, 0..=7 * 86_400),
    };
    table.finish(r);
    read
}

fn share<'t>(r: &mut Reader<'t>, table: &mut Section<'t>, key: &str, default: Share) -> Share {
    let Some(text) = table.text(r, key) else {
        return default;
    };
    text.value.parse().unwrap_or_else(|error| {
        r.refuse(&text, error, "");
        default
    })
}

/// Reads `[schedule]` and the tables of its jobs.
pub(super) fn schedule<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> ScheduleSettings {
    let mut table = root.section(r, "schedule");
    let default = ScheduleSettings::default();
    let common = zone(r, &mut table).unwrap_or(Tz::UTC);
    let exports = table.text(r, "exports").map(|text| text.value.into());
    let apply = table.flag(r, "apply", default.apply);
    let goodbye_s = table.number(r, "goodbye_s", default.goodbye_s, 0..=3_600);
    let mut jobs = Vec::with_capacity(JOBS.len());
    for job in JOBS {
        let mut own = table.section(r, job.word());
        let zone = zone(r, &mut own).unwrap_or(common);
        let usual = Timing::parse(job.when(), zone).expect("the defaults are timings");
        let timing = match own.text(r, "when") {
            None => usual,
            Some(text) => Timing::parse(&text.value, zone).unwrap_or_else(|error| {
                let hint = "write an interval such as \"5m\" or \"3h\", a cron line such as \"30 3 * * *\", or \"off\"";
                r.refuse(&text, error, hint);
                usual
            }),
        };
        own.finish(r);
        jobs.push(JobSettings { job, timing, zone });
    }
    table.finish(r);
    ScheduleSettings {
        jobs,
        exports,
        apply,
        goodbye_s,
    }
}

fn zone<'t>(r: &mut Reader<'t>, table: &mut Section<'t>) -> Option<Tz> {
    let text = table.text(r, "timezone")?;
    let zone = text.value.parse().ok();
    if zone.is_none() {
        let says = format!("{:?} is no time zone", text.value);
        r.refuse(&text, says, "write it like \"Europe/Berlin\" or \"UTC\"");
    }
    zone
}
