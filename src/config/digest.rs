//! The part of the settings that decides what is shown, in one canonical text: a running daemon keeps its digest, and a
//! command that reads another plan is refused with the lines that differ (design D7).

use sha2::{Digest, Sha256};

use super::channel::Role;
use super::settings::{Authority, Settings};

impl Settings {
    /// The plan, one line per decision, sorted within each kind. User texts are quoted, so that no name can look like
    /// another line. No secrets, no addresses to listen at, no intervals: they do not change what is shown.
    pub fn plan_text(&self) -> String {
        let mut lines = vec![format!("mode {}", self.mode.word())];
        for (location, authority) in &self.locations {
            lines.push(match authority {
                Authority::Onhand => format!("location {location:?} authority onhand"),
                Authority::Warehouse(channel) => {
                    format!("location {location:?} authority channel {channel:?}")
                }
            });
        }
        for channel in self.channels.values() {
            let role = match channel.role {
                Role::Shop => "shop",
                Role::Warehouse => "warehouse",
            };
            lines.push(format!(
                "channel {:?} platform {:?} at {:?} role {role} mode {} hold {} fold_case {} locations {:?}",
                channel.id,
                channel.platform,
                channel.base_url,
                channel.mode.word(),
                channel.hold,
                channel.fold_case,
                channel.locations
            ));
            for (key, value) in &channel.options {
                lines.push(format!("channel {:?} option {key:?} {value:?}", channel.id));
            }
        }
        lines.push(format!("tier default {}", self.tiers.default.letter()));
        for (sku, tier) in &self.tiers.pin {
            lines.push(format!("tier pin {sku:?} {}", tier.letter()));
        }
        for (sku, category) in &self.categories {
            lines.push(format!("category {sku:?} {category:?}"));
        }
        lines.extend(self.buffer_lines());
        lines.extend(self.promise_lines());
        lines.push(String::new());
        lines.join("\n")
    }

    fn buffer_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let buffers = &self.buffers;
        lines.push(format!("buffer default {}", buffers.default));
        lines.extend(
            buffers
                .channel
                .iter()
                .map(|(k, rule)| format!("buffer channel {k:?} {rule}")),
        );
        lines.extend(
            buffers
                .tier
                .iter()
                .map(|(k, rule)| format!("buffer tier {} {rule}", k.letter())),
        );
        lines.extend(
            buffers
                .category
                .iter()
                .map(|(k, rule)| format!("buffer category {k:?} {rule}")),
        );
        lines.extend(
            buffers
                .sku
                .iter()
                .map(|(k, rule)| format!("buffer sku {k:?} {rule}")),
        );
        lines
    }

    fn promise_lines(&self) -> Vec<String> {
        let promises = &self.promises;
        let mut lines = Vec::new();
        lines.extend(
            promises
                .untracked
                .iter()
                .map(|sku| format!("promise untracked {sku:?}")),
        );
        lines.extend(
            promises
                .backorder
                .iter()
                .map(|(k, cap)| format!("promise backorder {k:?} {cap}")),
        );
        lines.extend(promises.daily.iter().map(|(k, units)| {
            let from = promises.day_starts_utc;
            format!("promise daily {k:?} {units} from {from}")
        }));
        lines
    }

    /// SHA-256 of [`Settings::plan_text`], in hex.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.plan_text().as_bytes()))
    }
}

/// Lines that only one of two plans has: `-` theirs, `+` ours, in the order of the texts.
pub fn plan_difference(theirs: &str, ours: &str) -> Vec<String> {
    let only = |a: &str, b: &str, mark: char| {
        a.lines()
            .filter(|line| !b.lines().any(|other| other == *line))
            .map(|line| format!("{mark} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only(theirs, ours, '-');
    lines.extend(only(ours, theirs, '+'));
    lines
}
