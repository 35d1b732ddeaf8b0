//! Every key and channel of the crate.
//!
//! ```text
//! <prefix>{pNN}:<pool>:due            sorted set: entry → due time, ms
//! <prefix>{pNN}:<pool>:ready          stream, one consumer group named after the pool
//! <prefix>{pNN}:<pool>:live           hash: entry → stream id, or `line`
//! <prefix>{pNN}:<pool>:holder         hash: entry → token of the lease
//! <prefix>{pNN}:<pool>:again          hash: entry → when to run again, ms
//! <prefix>{pNN}:<pool>:slots:<group>  sorted set: entry → lease expiry, ms (+inf while ready)
//! <prefix>{pNN}:<pool>:line:<group>   list: entries over the group's limit
//! <prefix>{pNN}:<pool>:lines          set: groups with a line
//! <prefix>epoch                       string: id of the epoch
//! <prefix>incarnation                 string: which incarnation of the data this was filled from
//! <prefix>tick:<pool>                 string: the promoter's last tick, expires with it
//! <prefix>rate:{<scope>}:<bucket>     string: theoretical arrival time, µs
//! <prefix>rate:{<scope>}:.since       string: when the limiter was first seen, µs
//! <prefix>attempts:{log-in}:<line>    hash: n attempts, `at` no next one before, ms; expires
//! <prefix>lock:<name>                 string: holder
//! <prefix>channel:<name>              Pub/Sub channel
//! ```

use crate::Entry;

/// Builds keys for one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    partitions: usize,
}

impl Keys {
    pub(crate) fn new(prefix: &str, partitions: usize) -> Self {
        Self { prefix: prefix.to_owned(), partitions }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The group decides, not the member: only then are the group's slots, line and entries under one tag, and its
    /// limit exact in one script.
    pub(crate) fn partition_of(&self, entry: &Entry) -> usize {
        let partitions = u64::try_from(self.partitions).unwrap_or(1);
        usize::try_from(fnv1a(entry.group()) % partitions).unwrap_or(0)
    }

    /// What the script prelude calls `base`.
    pub(crate) fn base(&self, partition: usize, pool: &str) -> String {
        format!("{}{{p{partition:02}}}:{pool}:", self.prefix)
    }

    pub(crate) fn ready(&self, partition: usize, pool: &str) -> String {
        self.base(partition, pool) + "ready"
    }

    /// All partitions, beginning with `first` so that no partition is always served first.
    pub(crate) fn rotation(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let partitions = self.partitions;
        (0..partitions).map(move |offset| (first + offset) % partitions)
    }

    pub(crate) fn epoch(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    pub(crate) fn incarnation(&self) -> String {
        format!("{}incarnation", self.prefix)
    }

    pub(crate) fn tick(&self, pool: &str) -> String {
        format!("{}tick:{pool}", self.prefix)
    }

    pub(crate) fn bucket(&self, scope: &str, bucket: &str) -> String {
        format!("{}rate:{{{scope}}}:{bucket}", self.prefix)
    }

    pub(crate) fn limiter_since(&self, scope: &str) -> String {
        self.bucket(scope, ".since")
    }

    pub(crate) fn throttle(&self, line: &str) -> String {
        format!("{}attempts:{{log-in}}:{line}", self.prefix)
    }

    pub(crate) fn lock(&self, name: &str) -> String {
        format!("{}lock:{name}", self.prefix)
    }

    pub(crate) fn channel(&self, name: &str) -> String {
        format!("{}channel:{name}", self.prefix)
    }
}

/// FNV-1a: the standard library's hashers may change between releases, and processes of two releases must agree.
fn fnv1a(text: &str) -> u64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The low bits of FNV mix least; fold the high half in before the remainder is taken.
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_group_share_a_partition_and_groups_spread() {
        let keys = Keys::new("test:", 64);
        let mut counts = [0_usize; 64];
        for group in 0..6_400 {
            let name = format!("mer_{group}");
            let one = keys.partition_of(&Entry::new("shop_1", &name).unwrap());
            let two = keys.partition_of(&Entry::new("shop_2", &name).unwrap());
            assert_eq!(one, two);
            counts[one] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_partition_of_a_group_never_changes_between_releases() {
        let keys = Keys::new("test:", 64);
        let partition = |group: &str| keys.partition_of(&Entry::new("m", group).unwrap());
        assert_eq!([partition("mer_a"), partition("mer_b")], [partition("mer_a"), partition("mer_b")]);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c ^ (0xaf63_dc4c_8601_ec8c >> 32));
    }

    #[test]
    fn keys_carry_the_prefix_and_one_tag() {
        let keys = Keys::new("kamiflow:", 64);
        assert_eq!(keys.ready(7, "sync"), "kamiflow:{p07}:sync:ready");
        assert_eq!(keys.bucket("app_1", "orders"), "kamiflow:rate:{app_1}:orders");
        assert_eq!(keys.rotation(62).take(3).collect::<Vec<_>>(), [62, 63, 0]);
    }
}
