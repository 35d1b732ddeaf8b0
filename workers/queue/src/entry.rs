//! What is queued, where it can be, and when it runs.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::QueueError;

const RULE: &str = "1 to 64 characters out of A-Z a-z 0-9 _ - . :";

/// One piece of repeatable work, such as a shop or a job, and the group whose concurrency it counts against.
///
/// A pool holds an entry at most once. The group is part of the identity and decides the partition: a member must
/// always be scheduled with the same group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    // `group|member`, as it stands in Redis.
    text: String,
    split: usize,
}

impl Entry {
    /// Returns the entry of a member that shares its group's slots with the group's other members.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] unless both are 1 to 64 characters out of `A-Z a-z 0-9 _ - . :`.
    pub fn new(member: &str, group: &str) -> Result<Self, QueueError> {
        check_name("member", member)?;
        check_name("group", group)?;
        Ok(Self { text: format!("{group}|{member}"), split: group.len() })
    }

    /// Returns the entry of a member that counts against nobody: it is its own group.
    ///
    /// # Errors
    ///
    /// As [`Entry::new`].
    pub fn ungrouped(member: &str) -> Result<Self, QueueError> {
        Self::new(member, member)
    }

    /// Returns what is worked on.
    pub fn member(&self) -> &str {
        self.text.get(self.split + 1..).unwrap_or_default()
    }

    /// Returns whose concurrency it counts against.
    pub fn group(&self) -> &str {
        self.text.get(..self.split).unwrap_or_default()
    }

    /// Returns its text: group and member.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads what [`Entry::as_str`] returns; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (group, member) = text.split_once('|')?;
        Self::new(member, group).ok()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// When an entry shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once, without waiting for the promoter.
    Now,
    /// Not before this moment; a moment in the past is now. The earliest of several wins.
    At(DateTime<Utc>),
}

impl When {
    pub(crate) fn as_millis(self) -> i64 {
        match self {
            Self::Now => 0,
            Self::At(at) => at.timestamp_millis().max(0),
        }
    }
}

/// What follows a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, unless the entry was scheduled again during the run.
    Done,
    /// The tail of the queue: there is more to do, after everybody else had a turn.
    Now,
    /// A later run; a schedule during the run brings it forward.
    At(DateTime<Utc>),
}

impl Next {
    pub(crate) fn as_argument(self) -> String {
        match self {
            Self::Done => String::new(),
            Self::Now => When::Now.as_millis().to_string(),
            Self::At(at) => When::At(at).as_millis().to_string(),
        }
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Not in the pool: Redis was emptied, or nobody scheduled it.
    Absent,
    /// Waiting for its time.
    Due(DateTime<Utc>),
    /// Waiting for a consumer, or for a slot of its group.
    Ready,
    /// With a consumer.
    Leased,
}

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), QueueError> {
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(permitted) {
        return Ok(());
    }
    Err(QueueError::InvalidName { what, name: name.chars().take(80).collect(), rule: RULE })
}
