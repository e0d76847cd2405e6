//! The settings themselves: plain values with their defaults. `config.toml` in the root explains each to users, and a
//! test holds the two together.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::channel::ChannelConfig;
use super::costs::CostSettings;
use super::runs::{ReconcileSettings, ScheduleSettings};
use super::secret::SecretRef;
use crate::domain::buffer::Buffers;
use crate::domain::ids::{ChannelId, LocationId, Sku};
use crate::domain::promise::Promises;
use crate::domain::tier::Tier;

/// The location that is there when none is declared.
pub const LOCATION_IMPLIED: &str = "main";

/// Whether anything is sent to channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// Read, and send stock to the channels.
    #[default]
    Manage,
    /// Read and report; nothing is ever sent.
    Observe,
}

impl Mode {
    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Observe => "observe",
        }
    }
}

/// Everything that `config.toml` and the environment say, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the file; secrets and the store are relative to it. Empty: the current one.
    pub folder: PathBuf,
    /// For channels that do not say otherwise.
    pub mode: Mode,
    /// `[store]`
    pub store: StoreSettings,
    /// `[listen]`
    pub listen: ListenSettings,
    /// `[lanes]`
    pub lanes: LaneSettings,
    /// `[retry]`
    pub retry: RetrySettings,
    /// `[retention]`
    pub retention: RetentionSettings,
    /// `[reconcile]`
    pub reconcile: ReconcileSettings,
    /// `[schedule]`
    pub schedule: ScheduleSettings,
    /// `[locations]`, at least one.
    pub locations: BTreeMap<LocationId, Authority>,
    /// `[tiers]`
    pub tiers: TierSettings,
    /// `[categories]`: the category of a SKU.
    pub categories: BTreeMap<Sku, String>,
    /// `[buffers]`
    pub buffers: Buffers,
    /// `[promises]`
    pub promises: Promises,
    /// `[costs]`
    pub costs: CostSettings,
    /// `[channels]`
    pub channels: BTreeMap<ChannelId, ChannelConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        let implied = LocationId::new(LOCATION_IMPLIED).expect("a plain word is a name");
        Self {
            folder: PathBuf::new(),
            mode: Mode::default(),
            store: StoreSettings::default(),
            listen: ListenSettings::default(),
            lanes: LaneSettings::default(),
            retry: RetrySettings::default(),
            retention: RetentionSettings::default(),
            reconcile: ReconcileSettings::default(),
            schedule: ScheduleSettings::default(),
            locations: BTreeMap::from([(implied, Authority::Onhand)]),
            tiers: TierSettings::default(),
            categories: BTreeMap::new(),
            buffers: Buffers::default(),
            promises: Promises::default(),
            costs: CostSettings::default(),
            channels: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Where the platform of a channel reaches our webhooks, if we know our public address.
    pub fn hook_url(&self, channel: &ChannelId) -> Option<String> {
        let public_url = self.listen.public_url.as_ref()?;
        Some(format!("{public_url}/hooks/{channel}"))
    }

    /// The file of the store, relative to the folder of `config.toml`.
    pub fn store_path(&self) -> PathBuf {
        self.folder.join(&self.store.path)
    }
}

/// `[store]`: where the truth is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// File of the SQLite store, as given.
    pub path: PathBuf,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/onhand.db"),
        }
    }
}

/// `[listen]`: what `listen` opens, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// Webhooks.
    pub address: SocketAddr,
    /// Metrics, status page, API.
    pub admin_address: SocketAddr,
    /// Bearer token of the admin address; there if that is not loopback.
    pub admin_token: Option<SecretRef>,
    /// TLS ends at a proxy in front, so a public address is meant.
    pub behind_proxy: bool,
    /// How platforms reach us, without a slash at the end.
    pub public_url: Option<String>,
    /// Largest body. 1 MiB: the largest order messages seen are a tenth of it (fault 27 of the reliability notes).
    pub body_max_bytes: u64,
    /// Time for a request's head (fault 25: half-sent heads).
    pub head_timeout_s: u64,
    /// Time for a request's body.
    pub body_timeout_s: u64,
    /// Connections at once.
    pub connections_max: u32,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
            admin_token: None,
            behind_proxy: false,
            public_url: None,
            body_max_bytes: 1_048_576,
            head_timeout_s: 10,
            body_timeout_s: 10,
            connections_max: 1_024,
        }
    }
}

/// `[lanes]`: how often things are looked at, in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSettings {
    /// Every dirty listing is found at least this often, even if no one rang (design D6).
    pub sweep_s: u64,
    /// How often the orders of each channel are read for messages that were lost.
    pub orders_s: u64,
    /// How far such a read reaches back before the last one.
    pub orders_overlap_s: u64,
    /// How long changes of tier B gather.
    pub batch_b_s: u64,
    /// How long changes of tier C gather.
    pub batch_c_s: u64,
    /// After this long a waiting change goes before riskier ones, so that none starves.
    pub age_max_s: u64,
    /// A SKU with at most so many units is sent in real time, whatever its tier (rule R90).
    pub near_empty_units: u32,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self {
            sweep_s: 30,
            orders_s: 60,
            orders_overlap_s: 300,
            batch_b_s: 60,
            batch_c_s: 300,
            age_max_s: 900,
            near_empty_units: 5,
        }
    }
}

/// `[retry]`: what happens after a call that failed for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Waits before each new attempt, in seconds; then it is a dead letter. The ladder that the trade publishes.
    pub delays_s: Vec<u64>,
    /// How much each wait varies, so that failures do not come back together.
    pub jitter_pct: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            delays_s: vec![1, 5, 30, 120, 600],
            jitter_pct: 20,
        }
    }
}

/// `[retention]`: how long things are kept, in days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Contents of messages that were parked (rule S16 of the security notes).
    pub parked_days: u32,
    /// Messages of any kind.
    pub events_days: u32,
    /// The audit: what was booked, called and answered.
    pub audit_days: u32,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            parked_days: 30,
            events_days: 90,
            audit_days: 365,
        }
    }
}

/// Who says what is true about a location (design D9).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// We do: orders, receipts, counts.
    Onhand,
    /// A channel with the role `warehouse`: its levels are counts.
    Warehouse(ChannelId),
}

/// `[tiers]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierSettings {
    /// For SKUs that `classify` has not seen. A: in real time until we know better.
    pub default: Tier,
    /// Holds whatever `classify` found.
    pub pin: BTreeMap<Sku, Tier>,
}

impl Default for TierSettings {
    fn default() -> Self {
        Self {
            default: Tier::A,
            pin: BTreeMap::new(),
        }
    }
}
