//! How a command ends: the errors of all rooms in one type, and the code that each of them ends the process with.
//!
//! `0` done, `1` done and something was found, `2` the call, the config or a file's format is wrong, `3` the outside
//! failed, `4` the store is held by another or damaged, `5` a reading was incomplete, `130` interrupted.

use crate::channels::{Fault, SetupError};
use crate::config::{ConfigError, Problem};
use crate::domain::ids::ChannelId;
use crate::ledger::StoreError;
use crate::output::OutputError;
use crate::runtime::wire::WireError;
#[cfg(feature = "sales")]
use crate::sales::SalesError;

/// A command that did what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Found {
    /// And there is nothing to report.
    Nothing,
    /// And it found what was asked about: rejected rows, dead letters, something broken.
    Something,
}

impl Found {
    /// [`Found::Something`] if it is so.
    pub const fn when(found: bool) -> Self {
        if found {
            Self::Something
        } else {
            Self::Nothing
        }
    }

    /// The code that the process ends with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Something => 1,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The call cannot be meant like this; the text says why and what to do.
    #[error("{0}")]
    Call(String),
    /// `config.toml` or the environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Secrets that cannot be read, one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Secrets(Vec<Problem>),
    /// A channel's table that cannot work.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is no way out to a channel.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A file that was named is not there, or may not be read.
    #[error("read {path}: {problem}; hint: {hint}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// The disk failed while a file was read or written.
    #[error("use {path}: {problem}")]
    Disk {
        /// The file.
        path: String,
        /// What the system says.
        problem: String,
    },
    /// Sales exports.
    #[cfg(feature = "sales")]
    #[error(transparent)]
    Sales(#[from] SalesError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A platform.
    #[error("{doing} {channel}: {fault}")]
    Platform {
        /// What was tried, such as `read the listings of`.
        doing: &'static str,
        /// Whose platform.
        channel: ChannelId,
        /// What became of it.
        fault: Fault,
    },
    /// A reading was cut off, so that nothing was done on its basis.
    #[error("{0}")]
    Incomplete(String),
    /// Stdout or the log.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Another process delivers from this store.
    #[error(
        "deliver from the store: {0} does so already; hint: stop it first, or let it do the work"
    )]
    Held(String),
    /// Another process does this work already.
    #[error("{work}: {holder} is at it already; hint: wait for it, or stop it")]
    Running {
        /// The work.
        work: &'static str,
        /// Who does it.
        holder: String,
    },
    /// An address cannot be listened on.
    #[error("listen on {address}: {problem}; hint: {hint}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A part of the daemon that runs as long as the daemon does has ended.
    #[error(
        "go on without {0}, which ended by itself; hint: its last words are in the log; start again"
    )]
    Ended(String),
    /// The runtime could not be started.
    #[error("start: {0}")]
    Start(std::io::Error),
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// A call that cannot be meant like this.
    pub fn call(says: impl Into<String>) -> Self {
        Self::Call(says.into())
    }

    /// The code that the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Call(_)
            | Self::Config(_)
            | Self::Secrets(_)
            | Self::Setup(_)
            | Self::Wire(WireError::Address { .. })
            | Self::File { .. }
            | Self::Output(OutputError::Log(_)) => 2,
            #[cfg(feature = "sales")]
            Self::Sales(
                SalesError::File { .. }
                | SalesError::Profile { .. }
                | SalesError::Io { missing: true, .. },
            ) => 2,
            #[cfg(feature = "sales")]
            Self::Sales(SalesError::Io { .. } | SalesError::Write { .. }) => 3,
            Self::Wire(WireError::Client { .. })
            | Self::Disk { .. }
            | Self::Store(
                StoreError::Open { .. }
                | StoreError::Library { .. }
                | StoreError::Full
                | StoreError::Disk(_)
                | StoreError::Closed
                | StoreError::Other(_),
            )
            | Self::Platform { .. }
            | Self::Output(OutputError::Write(_) | OutputError::Json { .. })
            | Self::Bind { .. }
            | Self::Ended(_)
            | Self::Start(_) => 3,
            Self::Store(StoreError::Busy | StoreError::Newer { .. } | StoreError::Damaged(_))
            | Self::Held(_)
            | Self::Running { .. } => 4,
            Self::Incomplete(_) => 5,
            Self::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_has_its_code() {
        let path = || "x".to_owned();
        for (failure, code) in [
            (Failure::call("no"), 2),
            (Failure::Config(ConfigError::Invalid(Vec::new())), 2),
            (Failure::Store(StoreError::Busy), 4),
            (Failure::Store(StoreError::Damaged(path())), 4),
            (Failure::Store(StoreError::Closed), 3),
            (Failure::Store(StoreError::Full), 3),
            (Failure::Store(StoreError::Disk(path())), 3),
            (Failure::Ended(path()), 3),
            (
                Failure::Disk {
                    path: path(),
                    problem: path(),
                },
                3,
            ),
            (Failure::Output(OutputError::Log(path())), 2),
            (Failure::Held(path()), 4),
            (
                Failure::Running {
                    work: "reconcile",
                    holder: path(),
                },
                4,
            ),
            (Failure::Incomplete(path()), 5),
            (Failure::Interrupted, 130),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
        }
        assert_eq!(Found::when(true).exit_code(), 1);
        assert_eq!(Found::when(false).exit_code(), 0);
    }
}
