//! Arguments of the commands that look, and of those about channels.

use clap::{Args, Subcommand};

use super::time;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, Sku};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The page of this command, such as `stock import`; the whole program's if none is named
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The goods, as written in the stock
    #[arg(value_name = "SKU")]
    pub sku: Sku,
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub channel: Option<ChannelId>,
    /// Also show every entry that made the stock what it is, with who or what caused it
    #[arg(long)]
    pub history: bool,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// A SKU, an order, a listing, a channel, or the number or delivery id of a message
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Only what happened from then on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Timestamp>,
}

/// Arguments of `erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// A channel and orders of it; may be repeated for other channels
    #[arg(long, num_args = 2.., action = clap::ArgAction::Append, value_names = ["CHANNEL", "ORDER"])]
    pub order: Vec<String>,
    /// Also erase messages that hold this text, such as an e-mail address, in whatever case; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = erased_text)]
    pub text: Vec<String>,
    /// Only say how much would be erased
    #[arg(long)]
    pub dry_run: bool,
}

/// A text that names somebody: a shorter one is in messages of others, too.
fn erased_text(text: &str) -> Result<String, String> {
    const LETTERS_LEAST: usize = 4;
    let text = text.trim();
    if text.chars().count() < LETTERS_LEAST {
        return Err(format!(
            "shorter than {LETTERS_LEAST} characters; hint: a whole e-mail address or name"
        ));
    }
    Ok(text.to_owned())
}

/// `channels …`
#[derive(Debug, Subcommand)]
pub enum Channels {
    /// Look whether credentials, scopes and webhooks are as they must be
    ///
    /// Calls each platform and changes nothing. Exit code 1 if something is not as it must be.
    ///
    /// Example: onhand channels check
    Check(ChannelsWhich),
    /// Create the webhooks that are missing and revive those that were disabled
    ///
    /// Needs `public_url` under `listen`, so that the platforms know where to deliver. Refused for channels in mode observe.
    ///
    /// Example: onhand channels subscribe
    Subscribe(ChannelsWhich),
    /// Stop sending quantities to one channel until it is released
    ///
    /// Its webhooks are still taken in and its orders still count.
    ///
    /// Example: onhand channels hold shop --reason "theme is being changed"
    Hold(ChannelsHold),
    /// Send quantities to a channel again
    ///
    /// Example: onhand channels release shop
    Release {
        /// Which channel
        #[arg(value_name = "CHANNEL")]
        channel: ChannelId,
    },
}

/// Arguments of `channels check` and `channels subscribe`.
#[derive(Debug, Args)]
pub struct ChannelsWhich {
    /// Only these channels
    #[arg(value_name = "CHANNEL")]
    pub channels: Vec<ChannelId>,
}

/// Arguments of `channels hold`.
#[derive(Debug, Args)]
pub struct ChannelsHold {
    /// Which channel
    #[arg(value_name = "CHANNEL")]
    pub channel: ChannelId,
    /// Why, for those who see it in `onhand status`
    #[arg(long, value_name = "TEXT", default_value = "held by hand")]
    pub reason: String,
}

/// `dlq …`
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List what was given up, with the reason and the platform's last answer
    ///
    /// Exit code 1 if there is any.
    ///
    /// Example: onhand dlq list
    List,
}
