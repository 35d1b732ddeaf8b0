//! What this process uses of the machine, under the names that every Prometheus client library gives them.

use metrics::{counter, gauge};
use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, WithCurrentSystemInfo as _};

/// Reads `/proc/self` and sets the gauges; where it cannot be read they are left out.
pub(super) fn record() {
    if let Err(error) = read() {
        tracing::debug!(%error, "The process's own figures could not be read");
    }
}

fn read() -> ProcResult<()> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = procfs::ticks_per_second().max(1);
    // A counter of floats does not exist; whole seconds are what rates are made of.
    counter!("process_cpu_seconds_total").absolute((stat.utime + stat.stime) / ticks);
    gauge!("process_resident_memory_bytes").set(as_gauge(stat.rss_bytes().get()));
    gauge!("process_virtual_memory_bytes").set(as_gauge(stat.vsize));
    gauge!("process_threads").set(as_gauge(u64::try_from(stat.num_threads).unwrap_or(0)));
    gauge!("process_start_time_seconds").set(as_gauge(procfs::boot_time_secs()? + stat.starttime / ticks));
    gauge!("process_open_fds").set(as_gauge(u64::try_from(process.fd_count()?).unwrap_or(u64::MAX)));
    if let LimitValue::Value(most) = process.limits()?.max_open_files.soft_limit {
        gauge!("process_max_fds").set(as_gauge(most));
    }
    Ok(())
}

/// Gauges are floating point: exact up to 2^53, which is petabytes.
fn as_gauge(value: u64) -> f64 {
    const HIGH: f64 = 4_294_967_296.0;
    let (high, low) = (value >> 32, value & 0xffff_ffff);
    f64::from(u32::try_from(high).unwrap_or(u32::MAX)) * HIGH + f64::from(u32::try_from(low).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_stay_exact() {
        assert_eq!(as_gauge(5_000_000_001), 5_000_000_001.0);
    }

    #[test]
    fn this_process_can_be_read() {
        read().unwrap();
    }
}
