//! Logs and metrics of a process.

mod process;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

use crate::config::{LogFormat, Telemetry};

/// Upper bounds in seconds for histograms named `…_seconds`: from a Redis round trip to the longest
/// wait anybody has alarms for.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

/// How often histograms are folded; between two scrapes at most.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("the log filter is invalid")]
    Filter(#[from] ParseError),
    /// Something else in this process already receives the logs.
    #[error("logging is already set up")]
    Logs(#[from] TryInitError),
    /// Something else in this process already receives the metrics.
    #[error("metrics are already set up")]
    Metrics(#[from] BuildError),
}

/// Sends this process' logs to stderr, as text or JSON. Colors appear on a terminal only.
///
/// # Errors
/// Fails when logging is already set up or the filter does not parse.
pub fn init(settings: &Telemetry) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter = EnvFilter::try_new(&settings.log)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Collects what the `metrics` macros record from now on, and keeps histograms small.
    ///
    /// Must be called inside a tokio runtime, once per process.
    ///
    /// # Errors
    /// Fails when a recorder is already installed.
    pub fn install() -> Result<Self, TelemetryError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
            .install_recorder()?;
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle })
    }

    /// Returns every metric in the Prometheus text format, with what this process uses of the machine right now:
    /// memory, processor time, threads and open files, under the names every Prometheus client uses.
    #[must_use]
    pub fn render(&self) -> String {
        process::record();
        self.handle.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn durations_are_rendered_as_buckets() {
        let metrics = Metrics::install().unwrap();
        metrics::histogram!("kamiflow_test_seconds").record(0.3);
        let text = metrics.render();
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.contains("kamiflow_test_seconds_bucket{le=\"0.5\"} 1"), "{text}");
        assert!(text.contains("kamiflow_test_seconds_bucket{le=\"0.25\"} 0"), "{text}");
    }
}
