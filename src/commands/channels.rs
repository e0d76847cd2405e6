//! `channels check`, `subscribe`, `hold` and `release`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::seller::{OpenChannel, Seller};
use crate::channels::{Fault, Finding, SubscriptionReport};
use crate::cli::{ChannelsHold, ChannelsWhich};
use crate::config::{ChannelConfig, Mode};
use crate::domain::ids::ChannelId;
use crate::exit::{Failure, Found};
use crate::ledger::tables::{AuditRow, ChannelState};
use crate::output::{Cell, Out};

/// One finding, and of which channel.
#[derive(Serialize)]
struct Checked {
    channel: ChannelId,
    #[serde(flatten)]
    finding: Finding,
}

/// What the store knows of every configured channel.
pub(super) async fn states(seller: &Seller) -> Result<BTreeMap<ChannelId, ChannelState>, Failure> {
    let ids: Vec<ChannelId> = seller.settings.channels.keys().cloned().collect();
    let read = seller.ledger.read(move |tables| {
        ids.iter()
            .map(|id| Ok((id.clone(), tables.channel(id)?)))
            .collect()
    });
    Ok(read.await?)
}

/// Why nothing is sent to a channel, if nothing is.
pub(super) fn quiet(config: &ChannelConfig, state: &ChannelState) -> Option<String> {
    if config.mode == Mode::Observe {
        return Some("the channel is only observed".to_owned());
    }
    if config.hold {
        return Some("the settings hold the channel".to_owned());
    }
    state
        .held
        .as_ref()
        .map(|why| format!("the channel is held: {why}"))
}

/// Looks at each channel, and changes nothing.
pub(super) async fn check(
    args: ChannelsWhich,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    look(args, seller, false, out).await
}

/// Repairs the webhooks of each channel.
pub(super) async fn subscribe(
    args: ChannelsWhich,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let named =
        |config: &&ChannelConfig| args.channels.is_empty() || args.channels.contains(&config.id);
    let mut wanted = seller.settings.channels.values().filter(named);
    if let Some(observed) = wanted.find(|config| config.mode == Mode::Observe) {
        return Err(Failure::call(format!(
            "subscribe to {}: its mode is observe, and nothing is changed there; hint: name the other channels, or set \
             mode = \"manage\"",
            observed.id
        )));
    }
    if seller.settings.listen.public_url.is_none() {
        return Err(Failure::call(
            "subscribe: the platforms have to know where to deliver; hint: set public_url in [listen]",
        ));
    }
    look(args, seller, true, out).await
}

async fn look(
    args: ChannelsWhich,
    seller: &Seller,
    repair: bool,
    out: &mut Out,
) -> Result<Found, Failure> {
    let only = (!args.channels.is_empty()).then_some(args.channels.as_slice());
    let open = seller.open_channels(only).await?;
    if open.channels.is_empty() {
        out.note("the settings name no channel; hint: write one as [channels.shop]");
    }
    let mut checked = Vec::new();
    let mut failed = None;
    for (id, channel) in &open.channels {
        let found = findings(channel, repair).await;
        let (findings, fault) = found;
        checked.extend(findings.into_iter().map(|finding| Checked {
            channel: id.clone(),
            finding,
        }));
        let failure = fault.map(|fault| Failure::Platform {
            doing: if repair { "subscribe to" } else { "check" },
            channel: id.clone(),
            fault,
        });
        match failure {
            Some(failure) if failed.is_none() => failed = Some(failure),
            Some(failure) => out.error(&failure),
            None => {}
        }
    }
    open.close().await;
    let schema = if repair {
        "onhand.channels_subscribe/1"
    } else {
        "onhand.channels_check/1"
    };
    let rows: Vec<_> = checked.iter().map(row).collect();
    let bad = checked.iter().any(|checked| !checked.finding.good);
    let body = serde_json::json!({ "findings": checked });
    out.result(schema, &body, &["channel", "what", "good", "says"], &rows)?;
    failed.map_or(Ok(Found::when(bad)), Err)
}

fn row(checked: &Checked) -> Vec<Cell> {
    vec![
        checked.channel.as_str().into(),
        checked.finding.what.as_str().into(),
        if checked.finding.good { "yes" } else { "NO" }.into(),
        checked.finding.says.as_str().into(),
    ]
}

/// What there is to say of a channel, and what kept us from saying more. Refused credentials are a finding: that is what
/// is asked.
async fn findings(open: &OpenChannel, repair: bool) -> (Vec<Finding>, Option<Fault>) {
    let mut found = Vec::new();
    if !repair {
        let wire = open.wire.under(open.limiter.permit().await);
        match open.channel.check(&wire).await {
            Ok(findings) => found.extend(findings),
            Err(Fault::Unauthorized(says)) => {
                found.push(refused(&says));
                return (found, None);
            }
            Err(fault) => return (found, Some(fault)),
        }
    }
    let wire = open.wire.under(open.limiter.permit().await);
    match open.channel.subscriptions(&wire, repair).await {
        Ok(report) => found.extend(webhooks(report)),
        Err(Fault::Unauthorized(says)) => found.push(refused(&says)),
        Err(fault) => return (found, Some(fault)),
    }
    (found, None)
}

fn refused(says: &str) -> Finding {
    Finding {
        what: "credentials".to_owned(),
        good: false,
        says: format!("the platform does not accept them: {says}"),
    }
}

/// The subscriptions as findings.
fn webhooks(report: SubscriptionReport) -> Vec<Finding> {
    let finding = |good, says: String| Finding {
        what: "webhooks".to_owned(),
        good,
        says,
    };
    let mut found = Vec::new();
    if !report.created.is_empty() {
        let says = format!("created or revived: {}", report.created.join(", "));
        found.push(finding(true, says));
    }
    if report.missing.is_empty() {
        let says = format!("{} subscriptions deliver", report.present.len());
        found.push(finding(true, says));
    } else {
        let hint = "`onhand channels subscribe` creates them";
        let says = format!("missing: {}; hint: {hint}", report.missing.join(", "));
        found.push(finding(false, says));
    }
    found.extend(report.warnings.into_iter().map(|says| finding(false, says)));
    found
}

/// Stops sending to a channel.
pub(super) async fn hold(
    args: ChannelsHold,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let why = args.reason.clone();
    set_held(&args.channel, Some(args.reason), seller).await?;
    out.note(format!("{} is held: {why}", args.channel));
    Ok(Found::Nothing)
}

/// Sends to a channel again.
pub(super) async fn release(
    id: ChannelId,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    set_held(&id, None, seller).await?;
    if seller.configured(&id)?.hold {
        out.warning(format!(
            "{id} stays held by the settings; hint: take hold = true out of [channels.{id}]"
        ));
    }
    out.note(format!("{id} is released"));
    Ok(Found::Nothing)
}

async fn set_held(id: &ChannelId, why: Option<String>, seller: &Seller) -> Result<(), Failure> {
    seller.configured(id)?;
    let (id, now) = (id.clone(), seller.now());
    let write = seller.ledger.write(move |tables| {
        let mut state = tables.channel(&id)?;
        state.held.clone_from(&why);
        tables.set_channel(&id, &state)?;
        tables.audit(&[AuditRow {
            at: now,
            kind: if why.is_some() { "hold" } else { "release" },
            channel: Some(id.clone()),
            subject: id.as_str().to_owned(),
            detail: serde_json::json!({ "reason": why }).to_string(),
        }])
    });
    Ok(write.await?)
}
