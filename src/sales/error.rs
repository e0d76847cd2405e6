//! Why files of sales cannot be read at all. A row that cannot be read is no error: it is rejected, with its reason.

/// Why a file, a profile or a catalog cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SalesError {
    /// The system does not give us the bytes.
    #[error("read {path}: {problem}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        problem: String,
        /// The file is not there, so that the call is wrong rather than the disk.
        missing: bool,
    },
    /// The file is not what it should be, or more has to be known to read it.
    #[error("read {path}: {problem}; hint: {hint}")]
    File {
        /// The file, with its line and column where there is one.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A profile is wrong.
    #[error("read the profile {path}: {problem}")]
    Profile {
        /// Its file, or its name.
        path: String,
        /// What is wrong with it, with its line and column.
        problem: String,
    },
    /// The result cannot be written.
    #[error("write {path}: {problem}")]
    Write {
        /// The file.
        path: String,
        /// What went wrong.
        problem: String,
    },
}

impl SalesError {
    /// From the system's error while a file was read.
    pub(super) fn io(path: &str, error: &std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            problem: error.to_string(),
            missing: error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// A file that cannot be read as it is.
    pub(super) fn file(path: &str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

/// Shorthand of this room.
pub type Result<T> = std::result::Result<T, SalesError>;
