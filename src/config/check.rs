//! Settings that work and are risky: said once, as warnings, and never changed by us.

use super::read::Reader;
use super::settings::{Mode, Settings};
use crate::domain::buffer::BufferRule;
use crate::domain::ids::ChannelId;

/// Notes what is risky in settings that are right.
pub(super) fn risks(r: &mut Reader<'_>, settings: &Settings) {
    public_url(r, settings);
    same_shop_twice(r, settings);
    overridden_buffers(r, settings);
    everything_kept_back(r, settings);
    unused_categories(r, settings);
    waiting(r, settings);
}

fn public_url(r: &mut Reader<'_>, settings: &Settings) {
    let Some(url) = &settings.listen.public_url else {
        return;
    };
    if !url.starts_with("https:") {
        let says = "platforms do not deliver webhooks over http, and orders would travel in the clear; write https";
        r.warn(None, "listen.public_url", says);
    }
}

/// Two channels of one platform at one address: each sale is counted twice, each number written twice.
fn same_shop_twice(r: &mut Reader<'_>, settings: &Settings) {
    let channels: Vec<_> = settings.channels.values().collect();
    for (idx, channel) in channels.iter().enumerate() {
        let twin = channels
            .iter()
            .take(idx)
            .find(|other| other.platform == channel.platform && other.base_url == channel.base_url);
        if let Some(twin) = twin {
            let says = format!(
                "same platform and address as channels.{}; if it is the same account, every sale counts twice",
                twin.id
            );
            r.warn(None, &key_of(&channel.id), says);
        }
    }
}

fn key_of(channel: &ChannelId) -> String {
    format!("channels.{channel}")
}

fn weaker(rule: BufferRule, than: BufferRule) -> bool {
    rule.units <= than.units && rule.basis_points <= than.basis_points && rule != than
}

/// Rules are not added up: a smaller, more specific one takes away what a channel was meant to keep back.
fn overridden_buffers(r: &mut Reader<'_>, settings: &Settings) {
    let buffers = &settings.buffers;
    for (channel, kept) in &buffers.channel {
        let skus = buffers
            .sku
            .values()
            .filter(|rule| weaker(**rule, *kept))
            .count();
        let categories = buffers
            .category
            .values()
            .filter(|rule| weaker(**rule, *kept))
            .count();
        let tiers = buffers
            .tier
            .values()
            .filter(|rule| weaker(**rule, *kept))
            .count();
        if skus + categories + tiers > 0 {
            let says = format!(
                "keeps back {kept}, but {skus} SKU, {categories} category and {tiers} tier rules keep back less and \
                 hold instead of it (they are not added)"
            );
            r.warn(None, &format!("buffers.channel.{channel}"), says);
        }
    }
}

fn everything_kept_back(r: &mut Reader<'_>, settings: &Settings) {
    let buffers = &settings.buffers;
    let mut rules = vec![("buffers.default".to_owned(), buffers.default)];
    rules.extend(
        buffers
            .channel
            .iter()
            .map(|(k, rule)| (format!("buffers.channel.{k}"), *rule)),
    );
    rules.extend(
        buffers
            .tier
            .iter()
            .map(|(k, rule)| (format!("buffers.tier.{}", k.letter()), *rule)),
    );
    rules.extend(
        buffers
            .category
            .iter()
            .map(|(k, rule)| (format!("buffers.category.{k:?}"), *rule)),
    );
    rules.extend(
        buffers
            .sku
            .iter()
            .map(|(k, rule)| (format!("buffers.sku.{k:?}"), *rule)),
    );
    for (key, rule) in rules {
        if rule.basis_points == 10_000 {
            r.warn(
                None,
                &key,
                "100% keeps everything back: nothing is ever shown",
            );
        }
    }
}

fn unused_categories(r: &mut Reader<'_>, settings: &Settings) {
    for category in settings.buffers.category.keys() {
        if !settings.categories.values().any(|used| used == category) {
            let says = "no SKU in [categories] has this category, so the rule holds for nothing";
            r.warn(None, &format!("buffers.category.{category:?}"), says);
        }
    }
}

/// Intervals that work against each other.
fn waiting(r: &mut Reader<'_>, settings: &Settings) {
    let lanes = &settings.lanes;
    if lanes.age_max_s < lanes.batch_c_s.max(lanes.batch_b_s) {
        let says = "shorter than a batch gathers, so batches never wait their time";
        r.warn(None, "lanes.age_max_s", says);
    }
    let sends = settings
        .channels
        .values()
        .any(|channel| channel.mode == Mode::Manage);
    if sends && lanes.orders_s > 900 {
        let says =
            "a lost webhook is found only by reading orders; until then the unit can be sold again";
        r.warn(None, "lanes.orders_s", says);
    }
}
