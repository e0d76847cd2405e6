//! Plans on disk: what would be sent, with a digest over every line, so that exactly that is sent later, or nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey};
use crate::exit::Failure;

/// The schema of plan files.
const SCHEMA: &str = "onhand.plan/1";
/// Lines of a difference that are named.
const NAMED_MAX: usize = 5;

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanFile {
    schema: String,
    /// The command that made it: `sync` or `reconcile`.
    pub(super) command: String,
    /// When.
    pub(super) made_at: Timestamp,
    /// Digest of the settings that decide what is shown.
    pub(super) settings: String,
    /// Digest of the command, the settings and the lines.
    pub(super) digest: String,
    /// By channel and listing.
    pub(super) lines: Vec<PlanLine>,
}

/// One number to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanLine {
    /// Whose.
    pub(super) channel: ChannelId,
    /// Which.
    pub(super) listing: ListingId,
    /// What it is of ours.
    pub(super) sku: Option<String>,
    /// What it was believed to show.
    pub(super) shown: Option<i64>,
    /// What it showed, if it was read.
    pub(super) live: Option<i64>,
    /// What it should show.
    pub(super) desired: i64,
    /// What the difference is.
    pub(super) class: String,
    /// What is to be done.
    pub(super) action: String,
    /// The feed version that this follows from.
    pub(super) feed_version: i64,
}

impl PlanLine {
    /// Whose and which.
    pub(super) fn key(&self) -> ListingKey {
        ListingKey {
            channel: self.channel.clone(),
            listing: self.listing.clone(),
        }
    }
}

impl PlanFile {
    /// A plan of these lines.
    pub(super) fn new(
        command: &str,
        settings: String,
        made_at: Timestamp,
        mut lines: Vec<PlanLine>,
    ) -> Self {
        lines.sort_by_key(PlanLine::key);
        let mut plan = Self {
            schema: SCHEMA.to_owned(),
            command: command.to_owned(),
            made_at,
            settings,
            digest: String::new(),
            lines,
        };
        plan.digest = plan.computed();
        plan
    }

    /// SHA-256 over everything that is sent and what it follows from; when the plan was made does not count.
    fn computed(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {:?}\n", self.command, self.settings));
        for line in &self.lines {
            // Texts are quoted, so that no name can imitate another line.
            hash.update(format!("{line:?}\n"));
        }
        hex::encode(hash.finalize())
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`Failure::Disk`].
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::Call(format!("write the plan: {error}")))?;
        std::fs::write(path, text + "\n").map_err(|error| Failure::Disk {
            path: path.display().to_string(),
            problem: error.to_string(),
        })
    }

    /// Reads one that a command made, and checks that nobody changed it and that it is for these settings.
    ///
    /// # Errors
    /// [`Failure::File`] or [`Failure::Call`].
    pub(super) fn read(path: &Path, command: &str, settings: &str) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Failure::File {
            path: name.clone(),
            problem: error.to_string(),
            hint: "name a file that --plan wrote",
        })?;
        let refuse = |why: String| Failure::Call(format!("apply the plan {name}: {why}"));
        let plan: Self = serde_json::from_str(&text)
            .map_err(|error| refuse(format!("it is none: {error}; hint: --plan writes one")))?;
        if plan.schema != SCHEMA {
            return Err(refuse(format!(
                "it is {:?}, and this program reads {SCHEMA}",
                plan.schema
            )));
        }
        if plan.command != command {
            return Err(refuse(format!(
                "`onhand {}` made it; hint: `onhand {} --apply {name}`",
                plan.command, plan.command
            )));
        }
        if plan.computed() != plan.digest {
            return Err(refuse(
                "its lines are not those of its digest: it was changed; hint: make a new one"
                    .to_owned(),
            ));
        }
        if plan.settings != settings {
            return Err(refuse(
                "the settings have changed since; hint: make a new one".to_owned(),
            ));
        }
        Ok(plan)
    }

    /// What of this plan is not so any more, in words; empty if all of it still is.
    pub(super) fn moved(&self, now: &Self) -> Vec<String> {
        if self.digest == now.digest {
            return Vec::new();
        }
        let mut found = Vec::new();
        for line in &self.lines {
            match now.lines.iter().find(|other| other.key() == line.key()) {
                None => found.push(format!("{}: there is nothing to send any more", line.key())),
                Some(other) if other != line => found.push(format!(
                    "{}: {} -> {}, planned {} -> {}",
                    line.key(),
                    number(other.live.or(other.shown)),
                    other.desired,
                    number(line.live.or(line.shown)),
                    line.desired
                )),
                Some(_) => {}
            }
        }
        found
    }
}

fn number(known: Option<i64>) -> String {
    known.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

/// Refuses a plan because the world moved.
pub(super) fn refused(path: &Path, moved: &[String]) -> Failure {
    let mut named: Vec<_> = moved.iter().take(NAMED_MAX).cloned().collect();
    if moved.len() > NAMED_MAX {
        named.push(format!(
            "and {} more",
            moved.len().saturating_sub(NAMED_MAX)
        ));
    }
    Failure::Incomplete(format!(
        "apply the plan {}: the world moved since it was made, and nothing was sent; hint: make a new one\n  {}",
        path.display(),
        named.join("\n  ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(listing: &str, desired: i64) -> PlanLine {
        PlanLine {
            channel: ChannelId::new("web").unwrap(),
            listing: ListingId::new(listing).unwrap(),
            sku: Some("MUG".to_owned()),
            shown: Some(9),
            live: None,
            desired,
            class: "in_flight".to_owned(),
            action: "lower".to_owned(),
            feed_version: 3,
        }
    }

    fn plan(lines: Vec<PlanLine>) -> PlanFile {
        PlanFile::new("sync", "s".to_owned(), Timestamp::from_millis(1), lines)
    }

    #[test]
    fn the_digest_is_of_the_lines_in_one_order() {
        let one = plan(vec![line("7", 3), line("8", 4)]);
        assert_eq!(one.digest, plan(vec![line("8", 4), line("7", 3)]).digest);
        assert_ne!(one.digest, plan(vec![line("7", 3), line("8", 5)]).digest);
        assert_ne!(one.digest, plan(vec![line("7", 3)]).digest);
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_not_after_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let written = plan(vec![line("7", 3)]);
        written.write(&path).unwrap();
        assert_eq!(PlanFile::read(&path, "sync", "s").unwrap(), written);
        for (command, settings, says) in [
            ("reconcile", "s", "`onhand sync` made it"),
            ("sync", "other", "settings have changed"),
        ] {
            let refused = PlanFile::read(&path, command, settings).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.to_string().contains(says), "{refused}");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"desired\": 3", "\"desired\": 30")).unwrap();
        let refused = PlanFile::read(&path, "sync", "s").unwrap_err().to_string();
        assert!(refused.contains("it was changed"), "{refused}");
        std::fs::write(&path, "{").unwrap();
        assert_eq!(
            PlanFile::read(&path, "sync", "s").unwrap_err().exit_code(),
            2
        );
        let none = folder.path().join("none.json");
        assert_eq!(
            PlanFile::read(&none, "sync", "s").unwrap_err().exit_code(),
            2
        );
    }

    #[test]
    fn what_moved_is_named() {
        let old = plan(vec![line("7", 3), line("8", 4)]);
        assert!(
            old.moved(&plan(vec![line("8", 4), line("7", 3)]))
                .is_empty()
        );
        let moved = old.moved(&plan(vec![line("7", 2)]));
        assert_eq!(
            moved,
            [
                "web:7: 9 -> 2, planned 9 -> 3",
                "web:8: there is nothing to send any more"
            ]
        );
    }
}
