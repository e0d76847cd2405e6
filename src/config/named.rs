//! The tables whose keys the user names: locations, channels, and rules by SKU, category, tier and channel. A name is
//! kept byte for byte, and what a rule refers to must exist.

use std::collections::BTreeMap;

use super::channel::{self, Around, ChannelConfig, Role};
use super::problem::{Wrong, did_you_mean};
use super::read::{Placed, Reader, Section};
use super::settings::{Authority, LOCATION_IMPLIED, TierSettings};
use crate::domain::buffer::{BufferRule, Buffers};
use crate::domain::ids::{ChannelId, LocationId, NameError, Sku};
use crate::domain::promise::{Backorder, Promises};
use crate::domain::quantity::QUANTITY_MAX;
use crate::domain::tier::Tier;

/// A name of the user, or a problem at its place.
fn name<'t, T>(
    r: &mut Reader<'t>,
    table: &Section<'t>,
    text: &str,
    make: fn(&str) -> Result<T, NameError>,
) -> Option<T> {
    make(text)
        .map_err(|error| {
            let wrong = Wrong::Value(error.to_string());
            r.problem(table.place_of(r, text), &table.path_of(text), wrong, None);
        })
        .ok()
}

/// Locations with their authority; that a warehouse exists is checked when the channels are known.
pub(super) fn locations<'t>(
    r: &mut Reader<'t>,
    root: &mut Section<'t>,
) -> BTreeMap<LocationId, Placed<Authority>> {
    let mut section = root.section(r, "locations");
    let mut locations = BTreeMap::new();
    for text in section.names() {
        let mut table = section.named_section(r, &text);
        let place = table.place.clone();
        let authority = table.text(r, "authority");
        table.finish(r);
        let Some(id) = name(r, &section, &text, LocationId::new) else {
            continue;
        };
        let (value, place, key) = match authority {
            Some(text) if text.value != "onhand" => match ChannelId::new(&text.value) {
                Ok(channel) => (Authority::Warehouse(channel), text.place, text.key),
                Err(error) => {
                    r.refuse(
                        &text,
                        error,
                        "write \"onhand\", or the id of a warehouse channel",
                    );
                    (Authority::Onhand, text.place, text.key)
                }
            },
            Some(text) => (Authority::Onhand, text.place, text.key),
            None => (Authority::Onhand, place, section.path_of(&text)),
        };
        locations.insert(id, Placed { value, place, key });
    }
    if section.names().is_empty() {
        let id = LocationId::new(LOCATION_IMPLIED).expect("a plain word is a name");
        let implied = Placed {
            value: Authority::Onhand,
            place: section.place.clone(),
            key: section.path_of(LOCATION_IMPLIED),
        };
        locations.insert(id, implied);
    }
    locations
}

/// Channels that can work, and the names of all, so that one broken table does not make others look wrong.
pub(super) fn channels<'t>(
    r: &mut Reader<'t>,
    root: &mut Section<'t>,
    around: &Around<'_>,
) -> (BTreeMap<ChannelId, ChannelConfig>, Vec<String>) {
    let mut section = root.section(r, "channels");
    let mut channels = BTreeMap::new();
    for text in section.names() {
        let table = section.named_section(r, &text);
        let Some(id) = name(r, &section, &text, ChannelId::new) else {
            continue;
        };
        let addressable = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !addressable || text == "onhand" || text.len() > 64 {
            let says = "a channel's id stands in web addresses and is not \"onhand\"";
            let hint = "use at most 64 of a-z A-Z 0-9 - _ .".to_owned();
            let wrong = Wrong::Value(says.to_owned());
            r.problem(
                table.place.clone(),
                &section.path_of(&text),
                wrong,
                Some(hint),
            );
        }
        if let Some(channel) = channel::read(r, table, id.clone(), around) {
            channels.insert(id, channel);
        }
    }
    (channels, section.names())
}

pub(super) fn authorities(
    r: &mut Reader<'_>,
    declared: BTreeMap<LocationId, Placed<Authority>>,
    channels: &BTreeMap<ChannelId, ChannelConfig>,
    names: &[String],
) -> BTreeMap<LocationId, Authority> {
    for placed in declared.values() {
        let Authority::Warehouse(channel) = &placed.value else {
            continue;
        };
        match channels.get(channel) {
            Some(found) if found.role == Role::Warehouse => {}
            Some(_) => {
                let hint =
                    format!("set channels.{channel}.role = \"warehouse\", or write \"onhand\"");
                r.refuse(
                    placed,
                    format!("the channel {channel} is no warehouse"),
                    &hint,
                );
            }
            // Its table is there and broken, which was said already.
            None if names.iter().any(|name| name == channel.as_str()) => {}
            None => {
                let words = names.iter().map(String::as_str).chain(["onhand"]);
                let hint = did_you_mean(channel.as_str(), words).unwrap_or_default();
                r.refuse(
                    placed,
                    format!("no channel is called {:?}", channel.as_str()),
                    &hint,
                );
            }
        }
    }
    declared
        .into_iter()
        .map(|(id, placed)| (id, placed.value))
        .collect()
}

pub(super) fn tiers<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> TierSettings {
    let mut table = root.section(r, "tiers");
    let default = table
        .choice(r, "default", &Tier::WORDS)
        .unwrap_or(TierSettings::default().default);
    let mut section = table.section(r, "pin").of_names();
    let mut pin = BTreeMap::new();
    for text in section.names() {
        let tier = section.choice(r, &text, &Tier::WORDS);
        if let (Some(sku), Some(tier)) = (name(r, &section, &text, Sku::new), tier) {
            pin.insert(sku, tier);
        }
    }
    table.finish(r);
    TierSettings { default, pin }
}

pub(super) fn categories<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> BTreeMap<Sku, String> {
    let mut section = root.section(r, "categories").of_names();
    let mut categories = BTreeMap::new();
    for text in section.names() {
        let category = section.text(r, &text);
        let sku = name(r, &section, &text, Sku::new);
        let Some(category) = category else {
            continue;
        };
        if category.value.trim().is_empty() {
            r.refuse(
                &category,
                "a category has a name",
                "leave the SKU out if it has none",
            );
        } else if let Some(sku) = sku {
            categories.insert(sku, category.value);
        }
    }
    categories
}

pub(super) fn buffers<'t>(
    r: &mut Reader<'t>,
    root: &mut Section<'t>,
    channels: &[String],
) -> Buffers {
    let mut table = root.section(r, "buffers");
    let default = buffer(r, &mut table, "default").unwrap_or_default();
    let mut section = table.section(r, "channel").of_names();
    let by_channel = named_buffers(r, &mut section, ChannelId::new);
    for text in section.names() {
        if !channels.contains(&text) {
            let wrong = Wrong::Value(format!("no channel is called {text:?}"));
            let hint = did_you_mean(&text, channels.iter().map(String::as_str));
            r.problem(
                section.place_of(r, &text),
                &section.path_of(&text),
                wrong,
                hint,
            );
        }
    }
    let mut section = table.section(r, "tier");
    let mut by_tier = BTreeMap::new();
    for (word, tier) in Tier::WORDS {
        if let Some(rule) = buffer(r, &mut section, word) {
            by_tier.insert(tier, rule);
        }
    }
    section.finish(r);
    let mut section = table.section(r, "category").of_names();
    let by_category = named_buffers(r, &mut section, |text| Ok(text.to_owned()));
    let mut section = table.section(r, "sku").of_names();
    let by_sku = named_buffers(r, &mut section, Sku::new);
    table.finish(r);
    Buffers {
        default,
        channel: by_channel,
        tier: by_tier,
        category: by_category,
        sku: by_sku,
    }
}

/// What may be sold that is not on the shelf. Each SKU is promised in one way only.
pub(super) fn promises<'t>(r: &mut Reader<'t>, root: &mut Section<'t>) -> Promises {
    let mut table = root.section(r, "promises");
    let mut found = Promises {
        day_starts_utc: table.number(r, "day_starts_utc", 0, 0..=23),
        ..Promises::default()
    };
    for text in table.texts(r, "untracked").unwrap_or_default() {
        match Sku::new(&text.value) {
            Ok(sku) => drop(found.untracked.insert(sku)),
            Err(error) => r.refuse(&text, error, ""),
        }
    }
    let mut section = table.section(r, "backorder").of_names();
    for key in section.names() {
        let cap = section.text_or_number(r, &key);
        let (Some(sku), Some(cap)) = (name(r, &section, &key, Sku::new), cap) else {
            continue;
        };
        match cap.value.parse::<Backorder>() {
            Ok(backorder) => drop(found.backorder.insert(sku, backorder)),
            Err(says) => r.refuse(&cap, says, ""),
        }
    }
    let mut section = table.section(r, "daily").of_names();
    for key in section.names() {
        let units = section.number(r, &key, 0, 0..=QUANTITY_MAX);
        if let Some(sku) = name(r, &section, &key, Sku::new) {
            found.daily.insert(sku, units);
        }
    }
    let twice: Vec<_> = found
        .untracked
        .iter()
        .filter(|sku| found.backorder.contains_key(*sku) || found.daily.contains_key(*sku))
        .cloned()
        .collect();
    for sku in twice {
        let says = format!(
            "{:?} is not counted, so that no cap can hold for it",
            sku.as_str()
        );
        let hint = "leave it out of [promises] untracked, or of the other tables".to_owned();
        let place = table.place_of(r, "untracked");
        let key = table.path_of("untracked");
        r.problem(place, &key, Wrong::Value(says), Some(hint));
    }
    table.finish(r);
    found
}

fn named_buffers<'t, K: Ord>(
    r: &mut Reader<'t>,
    section: &mut Section<'t>,
    make: fn(&str) -> Result<K, NameError>,
) -> BTreeMap<K, BufferRule> {
    let mut rules = BTreeMap::new();
    for text in section.names() {
        let rule = buffer(r, section, &text);
        if let (Some(key), Some(rule)) = (name(r, section, &text, make), rule) {
            rules.insert(key, rule);
        }
    }
    rules
}

fn buffer<'t>(r: &mut Reader<'t>, section: &mut Section<'t>, key: &str) -> Option<BufferRule> {
    let text = section.text_or_number(r, key)?;
    match BufferRule::parse(&text.value) {
        Ok(rule) => {
            if rule.basis_points > 0 && rule.units == 0 {
                let says = format!(
                    "{rule} of a SKU without a receipt or sales is a share of what is left, about one unit near \
                     zero; write \"{rule} min 2\" to keep back at least two"
                );
                r.warn(Some(text.place), &text.key, says);
            }
            Some(rule)
        }
        Err(error) => {
            r.refuse(&text, error, "");
            None
        }
    }
}
