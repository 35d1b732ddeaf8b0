//! The six things `pdd.voucher.voucher.info.send` may be: no document says which one the platform is (protocol 4.3).

use std::fmt;

use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherSend, VoucherStatus};

/// How many phases a run has: one per combination.
pub(crate) const PHASES: usize = 6;

/// One combination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switches {
    repeat: VoucherRepeat,
    status: VoucherStatus,
}

impl Switches {
    /// Returns the combination of a phase.
    pub(crate) const fn of(phase: usize) -> Self {
        let repeat = match phase / 2 {
            0 => VoucherRepeat::Idempotent,
            1 => VoucherRepeat::RejectsDuplicate,
            _ => VoucherRepeat::Accumulates,
        };
        let status = if phase.is_multiple_of(2) { VoucherStatus::Moves } else { VoucherStatus::Stays };
        Self { repeat, status }
    }

    /// Returns whether the product may be told that an identical second send is harmless.
    pub(crate) const fn resend_safe(self) -> bool {
        matches!(self.repeat, VoucherRepeat::Idempotent)
    }

    /// Returns what the sandbox is told.
    pub(crate) fn to_scenario(self) -> VoucherSend {
        VoucherSend { repeat: self.repeat, status: self.status, ..VoucherSend::default() }
    }
}

impl fmt::Display for Switches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeat = match self.repeat {
            VoucherRepeat::Idempotent => "idempotent",
            VoucherRepeat::RejectsDuplicate => "rejects duplicates",
            VoucherRepeat::Accumulates => "accumulates",
        };
        let status = match self.status {
            VoucherStatus::Moves => "status moves",
            VoucherStatus::Stays => "status stays",
        };
        write!(f, "{repeat}, {status}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_phase_is_another_combination() {
        let all: BTreeSet<String> = (0..PHASES).map(|phase| Switches::of(phase).to_string()).collect();
        assert_eq!(all.len(), PHASES);
        assert_eq!((0..PHASES).filter(|phase| Switches::of(*phase).resend_safe()).count(), 2);
    }
}
