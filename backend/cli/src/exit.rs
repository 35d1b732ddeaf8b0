//! Exit codes. They are API: scripts and probes read them.

use std::process::ExitCode;

use kamiflow_runtime::config::ConfigError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: what was asked is done, and the answer is good.
    Done,
    /// 1: it failed, or the answer is bad: unhealthy, or the demo's books do not agree.
    Failed,
    /// 2: wrong arguments or configuration. Clap uses the same number.
    Usage,
    /// 3: refused, because it could cost a second card, a lost card or a false report. Nothing was changed.
    Refused,
    /// 4: there is no such order.
    NotFound,
}

/// The table of codes as every `--help` ends with it.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done, and the answer is good
  1  failed, or the answer is bad (unhealthy, books that do not agree)
  2  wrong arguments or configuration
  3  refused: it could cost a card or a false report; nothing was changed
  4  no such order";

/// What was asked for is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

/// What was asked for must not be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// What was asked for does not make sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUsage(pub(crate) String);

impl Exit {
    /// Returns the code of an error that ended a command.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is_usage = error.is::<ConfigError>() || error.is::<WrongUsage>();
        match () {
            () if is_usage => Self::Usage,
            () if error.is::<Refused>() => Self::Refused,
            () if error.is::<NotFound>() => Self::NotFound,
            () => Self::Failed,
        }
    }

    /// Returns the word programs read beside the code.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::NotFound => 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_code_under_added_context() {
        let refused = Err::<(), _>(Refused("no".to_owned())).context("while releasing").unwrap_err();
        assert_eq!(Exit::of(&refused), Exit::Refused);
        assert_eq!(Exit::of(&anyhow::anyhow!("broken")), Exit::Failed);
        assert_eq!(Exit::of(&NotFound("gone".to_owned()).into()), Exit::NotFound);
    }
}
