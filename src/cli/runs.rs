//! Arguments of the commands that cron runs: `sync`, `reconcile`, `schedule`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::drift::Share;
use crate::domain::ids::ChannelId;
use crate::domain::tier::Tier;

/// Which tiers `sync` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TierChoice {
    /// Moderate sellers
    #[value(name = "B", alias = "b")]
    B,
    /// Slow sellers
    #[value(name = "C", alias = "c")]
    C,
    /// All of them
    #[default]
    All,
}

impl TierChoice {
    /// The tiers; `None`: all of them.
    pub fn tiers(self) -> Option<BTreeSet<Tier>> {
        match self {
            Self::B => Some(BTreeSet::from([Tier::B])),
            Self::C => Some(BTreeSet::from([Tier::C])),
            Self::All => None,
        }
    }
}

/// Arguments of `sync`.
#[derive(Debug, Clone, Args, Default)]
pub struct SyncOnce {
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
    /// Only listings whose fastest goods are of this tier
    #[arg(long, value_name = "TIER", default_value = "all")]
    pub tier: TierChoice,
    /// Only show what would be sent; no channel is called
    #[arg(long)]
    pub dry_run: bool,
    /// Write what would be sent as a plan, and send nothing
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Send exactly this plan, or nothing if the world moved since it was made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "dry_run", "channel", "tier"])]
    pub apply: Option<PathBuf>,
    /// Lower up to so many listings, however large their share is
    #[arg(long, value_name = "N")]
    pub yes_lower: Option<usize>,
}

/// Arguments of `reconcile`.
#[derive(Debug, Clone, Args, Default)]
pub struct Reconcile {
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
    /// Begin anew, and read the channels' listings first
    #[arg(long)]
    pub full: bool,
    /// Repair what was found; with a FILE only if it is exactly what that plan says
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub apply: Option<Option<PathBuf>>,
    /// Write what would be repaired as a plan
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// End with 1 if more than this share differs; without it [reconcile] alarm
    #[arg(long, value_name = "SHARE")]
    pub fail_over: Option<Share>,
    /// Lower up to so many listings, however large their share is
    #[arg(long, value_name = "N")]
    pub yes_lower: Option<usize>,
    /// Also write what was found as a page that any browser shows
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// Arguments of `schedule`.
#[derive(Debug, Clone, Args, Default)]
pub struct Schedule {
    /// Only show the next runs
    #[arg(long)]
    pub list: bool,
}
