//! The names of things: whose they are is in the type, so that a SKU can never be taken for a listing.
//!
//! All of them are text, kept byte for byte (rule R33): no trimming, no case folding, no number guessing. What a
//! platform spells differently is folded by its profile for *matching* only, never here.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Longest name in bytes. Platforms stop at 40 to 255 characters; a longer one is a parsing accident.
pub const NAME_BYTES_MAX: usize = 512;

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it.
    #[error("a {kind} is empty")]
    Empty {
        /// What the name was for, such as `sku`.
        kind: &'static str,
    },
    /// It is longer than [`NAME_BYTES_MAX`].
    #[error("a {kind} has {bytes} bytes, more than {NAME_BYTES_MAX}")]
    TooLong {
        /// What the name was for.
        kind: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// It holds a control character, such as a NUL or a line break.
    #[error("a {kind} holds a control character")]
    Control {
        /// What the name was for.
        kind: &'static str,
    },
}

fn checked(kind: &'static str, text: &str) -> Result<Arc<str>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong {
            kind,
            bytes: text.len(),
        });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control { kind });
    }
    Ok(Arc::from(text))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and keeps it byte for byte.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, too long or holds control characters.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked($kind, text).map(Self)
            }

            /// The text, as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// Our name of one kind of goods.
    Sku, "sku"
}
name! {
    /// A configured channel, such as `shopify-us`: the key of its table in `config.toml`.
    ChannelId, "channel"
}
name! {
    /// A place of ours that holds goods: the key of its table in `config.toml`.
    LocationId, "location"
}
name! {
    /// What a channel calls one thing that it shows a quantity for. Its inner form belongs to the platform's folder.
    ListingId, "listing"
}
name! {
    /// What a channel calls one of its orders.
    OrderId, "order"
}
name! {
    /// What a channel calls one line of one of its orders.
    LineId, "order line"
}
name! {
    /// What people call a paper of theirs: a transfer, a purchase order, a receipt, a hold.
    DocumentId, "document"
}

/// One listing of one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListingKey {
    /// The channel that shows it.
    pub channel: ChannelId,
    /// The channel's name of it.
    pub listing: ListingId,
}

impl fmt::Display for ListingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_keeps_every_byte() {
        for text in [
            "0870",
            "870",
            "00870",
            " x ",
            "SKU1 + SKU2-FBA",
            "größe",
            "=1+1",
            "1E5",
        ] {
            assert_eq!(Sku::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert_eq!(Sku::new(""), Err(NameError::Empty { kind: "sku" }));
        assert_eq!(Sku::new("a\0b"), Err(NameError::Control { kind: "sku" }));
        assert!(matches!(
            Sku::new(&"x".repeat(513)),
            Err(NameError::TooLong { bytes: 513, .. })
        ));
    }

    #[test]
    fn a_numeric_sku_stays_text_in_json() {
        let sku = Sku::new("1234567891234").unwrap();
        assert_eq!(serde_json::to_string(&sku).unwrap(), "\"1234567891234\"");
        assert!(serde_json::from_str::<Sku>("1234567891234").is_err());
    }
}
