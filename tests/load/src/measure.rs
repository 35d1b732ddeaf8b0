//! Medians, percentiles, and the share of the processor each process takes.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use kamiflow_test_support::program::note;

/// Ticks per second of /proc/<pid>/stat: USER_HZ, which Linux fixes at 100 whatever the kernel runs at.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the median; of an even number the mean of both in the middle. Nothing has the median 0.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let (Some(upper), odd) = (values.get(middle), values.len() % 2 == 1) else { return 0.0 };
    let lower = middle.checked_sub(1).and_then(|at| values.get(at)).unwrap_or(upper);
    if odd { *upper } else { f64::midpoint(*lower, *upper) }
}

/// Returns the value that `share` of all values are at most. Nothing has 0.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil();
    // Ranks are small and never negative.
    let mut at = values.len();
    while at > 1 && (at as f64) > rank {
        at -= 1;
    }
    at.checked_sub(1).and_then(|at| values.get(at)).copied().unwrap_or_default()
}

/// Returns a figure with so many decimals.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// A process to watch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Watched {
    /// This process alone.
    Process(i32),
    /// A process and its children, living and dead: Postgres.
    Family(i32),
}

/// Processor time of processes since a moment.
pub(crate) struct CpuWatch {
    watched: Vec<(&'static str, Watched)>,
    before: BTreeMap<&'static str, f64>,
    began: Instant,
}

impl CpuWatch {
    /// Begins; this process is watched too, as `load`.
    pub(crate) fn begin(processes: &[(&'static str, Watched)]) -> Self {
        let mut watched = processes.to_vec();
        watched.push(("load", Watched::Process(own_pid())));
        let before = watched.iter().map(|(name, which)| (*name, seconds(*which))).collect();
        Self { watched, before, began: Instant::now() }
    }

    /// Returns each process' share since then; 1 is one core.
    pub(crate) fn shares(&self) -> Vec<(&'static str, f64)> {
        let wall = self.began.elapsed().as_secs_f64().max(1e-9);
        let used = |name: &str, which: Watched| seconds(which) - self.before.get(name).copied().unwrap_or_default();
        self.watched.iter().map(|(name, which)| (*name, used(name, *which) / wall)).collect()
    }

    /// Says each process' share.
    pub(crate) fn tell(&self, during: &str) -> Vec<(&'static str, f64)> {
        let shares = self.shares();
        let text: Vec<String> = shares.iter().map(|(name, share)| format!("{name} {:.0} %", share * 100.0)).collect();
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        note(format_args!("CPU during {during}: {} (sum {:.0} % of a core)", text.join(", "), sum * 100.0));
        shares
    }
}

/// Returns this process' id.
pub(crate) fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Returns the resident memory of a process in MB (10^6 bytes).
pub(crate) fn resident_mb(pid: i32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| {
        let number = rest.trim().strip_suffix("kB")?.trim();
        number.parse::<f64>().ok()
    });
    kib.unwrap_or_default() * 1024.0 / 1e6
}

fn seconds(which: Watched) -> f64 {
    match which {
        Watched::Process(pid) => times(pid).map_or(0.0, |times| times.own),
        Watched::Family(pid) => {
            let children: f64 = children(pid).into_iter().filter_map(times).map(|times| times.own).sum();
            times(pid).map_or(0.0, |times| times.own + times.reaped) + children
        }
    }
}

struct Times {
    own: f64,
    /// Of children that have ended and were waited for.
    reaped: f64,
}

fn times(pid: i32) -> Option<Times> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields count from behind it. utime is field 14 of proc(5).
    let fields: Vec<f64> =
        text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    let [user, system, user_reaped, system_reaped] = fields.as_slice() else { return None };
    Some(Times { own: (user + system) / TICKS_PER_SECOND, reaped: (user_reaped + system_reaped) / TICKS_PER_SECOND })
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!([median(vec![]), median(vec![3.0, 1.0, 2.0]), median(vec![1.0, 2.0])], [0.0, 2.0, 1.5]);
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(values.clone(), 0.5), 100.0);
        assert_eq!(percentile(values.clone(), 0.99), 198.0);
        assert_eq!(percentile(values, 1.0), 200.0);
        assert_eq!(percentile(vec![7.0], 0.99), 7.0);
        assert_eq!(percentile(vec![], 0.99), 0.0);
    }

    #[test]
    fn work_of_this_process_is_counted() {
        let watch = CpuWatch::begin(&[]);
        let began = Instant::now();
        let mut n = 0_u64;
        while began.elapsed().as_millis() < 300 {
            n = n.wrapping_mul(31).wrapping_add(1);
        }
        assert!(n != 1);
        // On a busy machine the loop gets a small part of a core.
        let shares = watch.shares();
        assert!(shares.iter().any(|(name, share)| *name == "load" && *share > 0.01), "{shares:?}");
        assert!(resident_mb(own_pid()) > 0.5);
    }
}
