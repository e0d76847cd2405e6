//! What every command opens from the settings: the books, the plan, and, when asked, the channels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::calls::{CallAudit, StoredTokens};
use crate::channels::{Channel, Profile, platform};
use crate::config::{ChannelConfig, Environment, Mode, Role, Settings};
use crate::domain::catalog::Folding;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::decide::ChannelRules;
use crate::domain::ids::{ChannelId, LocationId};
use crate::domain::incident::pools;
use crate::domain::policy::Policy;
use crate::exit::Failure;
use crate::ledger::Ledger;
use crate::ledger::record::{BookRules, ChannelBooks};
use crate::ledger::sqlite::Sqlite;
use crate::ledger::tables::Store;
use crate::runtime::limiter::Limiter;
use crate::runtime::wire::{HttpWire, WireParts};

/// How far a channel's clock may be off, in ms, where its profile cannot be asked because its secrets are missing.
const CLOCK_SKEW_MS: i64 = 2_000;

/// How long the last calls may take to be written down.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The seller, as the settings describe them.
#[derive(Debug)]
pub struct Seller {
    /// The settings.
    pub settings: Settings,
    /// Where secrets may be.
    pub env: Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The books.
    pub ledger: Ledger,
    /// What decides what each listing shows.
    pub policy: Policy,
    /// How messages are booked.
    pub book_rules: BookRules,
}

/// One channel, ready to be called.
#[derive(Debug, Clone)]
pub struct OpenChannel {
    /// Its language.
    pub channel: Arc<dyn Channel>,
    /// The way out to it.
    pub wire: HttpWire,
    /// How fast it may be called.
    pub limiter: Arc<Limiter>,
    /// Whether anything is sent to it.
    pub mode: Mode,
    /// The settings hold it.
    pub hold: bool,
    /// Its platform.
    pub platform: &'static str,
}

/// Channels that are open, and the task that writes their calls down.
#[derive(Debug)]
pub struct OpenChannels {
    /// By name.
    pub channels: BTreeMap<ChannelId, OpenChannel>,
    drain: JoinHandle<()>,
}

impl OpenChannels {
    /// Waits until every call is in the audit, but not for ever for a call that does not end.
    pub async fn close(self) {
        drop(self.channels);
        match tokio::time::timeout(DRAIN_MAX, self.drain).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                tracing::warn!("calls may be missing from the audit: its task broke off");
            }
            Err(_) => {
                tracing::warn!(
                    "calls may be missing from the audit: some did not end within {} s",
                    DRAIN_MAX.as_secs()
                );
            }
        }
    }
}

impl Seller {
    /// Opens the store of the settings. No secret is needed and no platform is called.
    ///
    /// # Errors
    /// [`Failure::Store`] if the store cannot be opened.
    pub fn open(
        settings: Settings,
        env: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let book_rules = book_rules(&settings, &env);
        let policy = policy(&settings);
        let path = settings.store_path();
        let store = || -> Result<Box<dyn Store>, Failure> { Ok(Box::new(Sqlite::open(&path)?)) };
        let ledger = Ledger::start(store()?, store()?, book_rules.clone(), Arc::clone(&clock));
        Ok(Self {
            settings,
            env,
            clock,
            ledger,
            policy,
            book_rules,
        })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Opens these channels, or all of them: reads their secrets and makes the ways out. Nothing is called yet, and nothing
    /// will be before the time that the platform asked for.
    ///
    /// # Errors
    /// [`Failure::Secrets`], [`Failure::Setup`] or [`Failure::Wire`] for what is wrong with a channel's table;
    /// [`Failure::Call`] for a channel that is not configured.
    pub async fn open_channels(&self, only: Option<&[ChannelId]>) -> Result<OpenChannels, Failure> {
        let wanted: Vec<&ChannelConfig> = match only {
            Some(ids) => ids
                .iter()
                .map(|id| self.configured(id))
                .collect::<Result<_, _>>()?,
            None => self.settings.channels.values().collect(),
        };
        let mut languages = Vec::with_capacity(wanted.len());
        let mut problems = Vec::new();
        for config in wanted {
            match language(config, &self.settings, &self.env) {
                Ok(language) => languages.push((config, language)),
                // One run tells all secrets that are missing.
                Err(Failure::Secrets(more)) => problems.extend(more),
                Err(failure) => return Err(failure),
            }
        }
        if !problems.is_empty() {
            return Err(Failure::Secrets(problems));
        }
        let (audit, drain) = CallAudit::start(self.ledger.clone());
        let tokens = Arc::new(StoredTokens(self.ledger.clone()));
        let mut channels = BTreeMap::new();
        for (config, language) in languages {
            let channel: Arc<dyn Channel> = Arc::from(language);
            let limiter = Arc::new(Limiter::new(channel.profile()));
            let id = config.id.clone();
            let known = self.ledger.read(move |tables| tables.channel(&id)).await?;
            if let Some(until) = known.closed_until {
                let ms = u64::try_from(until.since(self.now())).unwrap_or(0);
                limiter.close_for(Duration::from_millis(ms));
            }
            let wire = HttpWire::open(WireParts {
                id: config.id.clone(),
                base_url: config.base_url.clone(),
                channel: Arc::clone(&channel),
                tokens: Arc::clone(&tokens) as _,
                audit: Arc::clone(&audit) as _,
                limiter: Arc::clone(&limiter),
                clock: Arc::clone(&self.clock),
            })?;
            let open = OpenChannel {
                platform: channel.profile().platform,
                channel,
                wire,
                limiter,
                mode: config.mode,
                hold: config.hold,
            };
            channels.insert(config.id.clone(), open);
        }
        Ok(OpenChannels { channels, drain })
    }

    /// What is always true of a channel's platform.
    ///
    /// # Errors
    /// As [`Seller::open_channels`].
    pub fn profile(&self, id: &ChannelId) -> Result<Profile, Failure> {
        let channel = language(self.configured(id)?, &self.settings, &self.env)?;
        Ok(channel.profile().clone())
    }

    /// The table of a channel.
    ///
    /// # Errors
    /// [`Failure::Call`] if there is none.
    pub fn configured(&self, id: &ChannelId) -> Result<&ChannelConfig, Failure> {
        self.settings.channels.get(id).ok_or_else(|| {
            let known: Vec<_> = self
                .settings
                .channels
                .keys()
                .map(ChannelId::as_str)
                .collect();
            let hint = if known.is_empty() {
                "the settings name no channel; write one as [channels.shop]".to_owned()
            } else {
                format!("one of {}", known.join(", "))
            };
            Failure::call(format!("no channel is called {id}; hint: {hint}"))
        })
    }

    /// A declared location; without a name the only one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn location(&self, named: Option<&str>) -> Result<LocationId, String> {
        let declared = &self.settings.locations;
        let all = || {
            let names: Vec<_> = declared.keys().map(LocationId::as_str).collect();
            names.join(", ")
        };
        match named {
            Some(name) => declared
                .get_key_value(name)
                .map(|(id, _)| id.clone())
                .ok_or_else(|| format!("no location is called {name:?}; hint: one of {}", all())),
            None => match declared.keys().next() {
                Some(only) if declared.len() == 1 => Ok(only.clone()),
                _ => Err(format!(
                    "the location is missing, and there are several; hint: one of {}",
                    all()
                )),
            },
        }
    }
}

/// The plan of the settings.
pub fn policy(settings: &Settings) -> Policy {
    let places = |channel: &ChannelConfig| (channel.id.clone(), channel.locations.clone());
    Policy {
        buffers: settings.buffers.clone(),
        categories: settings.categories.clone(),
        pins: settings.tiers.pin.clone(),
        unclassified: Some(settings.tiers.default),
        places: settings.channels.values().map(places).collect(),
        promises: settings.promises.clone(),
    }
}

/// How each channel's messages are booked. What only an open channel knows is assumed where its secrets are missing, so
/// that commands about stock work without any.
pub fn book_rules(settings: &Settings, env: &Environment) -> BookRules {
    let books = |config: &ChannelConfig| {
        let profile = language(config, settings, env)
            .ok()
            .map(|channel| channel.profile().clone());
        // The settings hold at least one location, and each channel has some of them.
        let location = config
            .locations
            .first()
            .or(settings.locations.keys().next())?;
        let rules = ChannelRules {
            location: location.clone(),
            clock_skew_ms: profile
                .as_ref()
                .map_or(CLOCK_SKEW_MS, |profile| profile.clock_skew_ms),
        };
        let books = ChannelBooks {
            rules,
            folding: folding(config),
            delivery_id_unique: profile.is_some_and(|profile| profile.delivery_id_unique),
        };
        Some((config.id.clone(), books))
    };
    let places = settings
        .channels
        .values()
        .filter(|config| config.role == Role::Shop);
    BookRules {
        pools: pools(places.map(|config| config.locations.as_slice())),
        channels: settings.channels.values().filter_map(books).collect(),
        promises: Arc::new(settings.promises.clone()),
    }
}

/// How a channel's SKU texts are compared with ours.
pub fn folding(config: &ChannelConfig) -> Folding {
    Folding {
        // WooCommerce itself finds products by SKU whatever their case.
        case: config.fold_case || config.platform == "woocommerce",
    }
}

fn language(
    config: &ChannelConfig,
    settings: &Settings,
    env: &Environment,
) -> Result<Box<dyn Channel>, Failure> {
    let opened = config.open(settings, env).map_err(Failure::Secrets)?;
    let platform = platform(&config.platform).ok_or_else(|| {
        Failure::call(format!(
            "channel {}: no platform is called {}",
            config.id, config.platform
        ))
    })?;
    Ok((platform.open)(&opened)?)
}
