//! Every metric, named and described in one place.
//!
//! Names begin with `windrow_`, are in base units, and end in `_total` where they count. Labels are
//! `stream`, `sink`, `reason` and `limit` (and `version` on the build), all of them from the configuration
//! or from this file: nothing a client sends ever becomes a label, so their number is bounded.
//!
//! [`Metrics`] is made once and shared. Whoever counts asks it once for the handles of its stream
//! ([`Metrics::stream`]) or pair ([`Metrics::sink`]) and keeps them: counting is then one atomic
//! addition, without looking a label up.

mod access;
mod families;
mod handles;
mod late;

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{Error, Gauge, Registry, TextEncoder};

use families::{Maker, PairFamilies, StreamFamilies};

pub use access::{AccessMetrics, Denied};
pub use handles::{
    BackupMetrics, ConnectionMetrics, Limit, LimitMetrics, LogMetrics, RecoveryMetrics, Refusal,
    ReloadMetrics, SinkMetrics, StreamMetrics, TableMetrics, TailMetrics, TlsMetrics, UsageMetrics,
};
pub use late::{FigureMetrics, LateCounter};

/// The label of what belongs to one stream.
const STREAM: &str = "stream";

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The log's.
    pub log: LogMetrics,
    /// What opening the log and the sinks found.
    pub recovery: RecoveryMetrics,
    /// Connections.
    pub connections: ConnectionMetrics,
    /// Who is let through.
    pub access: AccessMetrics,
    /// How often each limit has bitten.
    pub limits: LimitMetrics,
    /// What is read again at SIGHUP.
    pub reloads: ReloadMetrics,
    /// Tails.
    pub tails: TailMetrics,
    /// TLS.
    pub tls: TlsMetrics,
    /// The table sink's pool.
    pub table: TableMetrics,
    /// The usage sink's store.
    pub usage: UsageMetrics,
    /// Backups.
    pub backups: BackupMetrics,
    /// Seconds since the process started.
    pub uptime_seconds: Gauge,
    streams: StreamFamilies,
    pairs: PairFamilies,
}

impl Metrics {
    /// Makes and registers all of them. Fails only if two have the same name, which the tests rule
    /// out.
    pub fn new() -> Result<Self, Error> {
        let maker = Maker(Registry::new());
        maker.build()?;
        Ok(Self {
            log: maker.log()?,
            recovery: maker.recovery()?,
            connections: maker.connections()?,
            access: AccessMetrics::new(&maker)?,
            limits: maker.limits()?,
            reloads: maker.reloads()?,
            tails: maker.tails()?,
            tls: maker.tls()?,
            table: maker.table()?,
            usage: maker.usage()?,
            backups: maker.backups()?,
            uptime_seconds: maker.uptime()?,
            streams: StreamFamilies::new(&maker)?,
            pairs: PairFamilies::new(&maker)?,
            registry: maker.0,
        })
    }

    /// The handles of a stream. Asked once per stream, not per request.
    pub fn stream(&self, stream: &str) -> StreamMetrics {
        self.streams.handles(stream)
    }

    /// The handles of what is known of a stream's events, over restarts. Asked once: they remember
    /// what they have told.
    pub fn figures(&self, stream: &str) -> FigureMetrics {
        self.streams.figures(stream)
    }

    /// The handles of a pair of sink and stream.
    pub fn sink(&self, sink: &str, stream: &str) -> SinkMetrics {
        self.pairs.handles(sink, stream)
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> Result<String, Error> {
        self.text_of(|_| true)
    }

    /// The same without those of streams that `shows` says no to.
    pub fn text_of(&self, shows: impl Fn(&str) -> bool) -> Result<String, Error> {
        let is_shown = |metric: &Metric| {
            let stream = metric.get_label().iter().find(|label| label.name() == STREAM);
            stream.is_none_or(|stream| shows(stream.value()))
        };
        let mut families = self.registry.gather();
        for family in &mut families {
            family.mut_metric().retain(is_shown);
        }
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&families)
    }

    /// Events acknowledged since the process started, over all streams.
    pub fn accepted(&self) -> u64 {
        let families = self.streams.accepted.collect();
        let counters = families.iter().flat_map(MetricFamily::get_metric);
        counters.map(|metric| metric.get_counter().get_value() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_prefix_and_only_bounded_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.stream("s").refused(Refusal::Busy);
        metrics.sink("windows", "s").applied.inc_by(3);
        metrics.stream("s").accepted.inc_by(2);
        metrics.stream("t").accepted.inc_by(3);
        let families = metrics.registry.gather();
        assert!(families.len() > 35, "{}", families.len());
        for family in &families {
            assert!(family.name().starts_with("windrow_"), "{}", family.name());
            assert!(!family.help().is_empty());
            for label in family.get_metric().iter().flat_map(Metric::get_label) {
                assert!(["stream", "sink", "reason", "limit", "version"].contains(&label.name()));
            }
        }
        let text = metrics.text().unwrap();
        assert!(text.contains(r#"windrow_requests_refused_total{reason="busy",stream="s"} 1"#));
        assert_eq!(metrics.accepted(), 5);
    }

    #[test]
    fn only_the_streams_that_somebody_may_see_are_shown() {
        let metrics = Metrics::new().unwrap();
        for stream in ["s", "t"] {
            metrics.stream(stream).accepted.inc();
            metrics.sink("windows", stream).applied.inc();
        }
        let text = metrics.text_of(|stream| stream == "t").unwrap();
        assert!(text.contains(r#"windrow_events_accepted_total{stream="t"} 1"#), "{text}");
        assert!(text.contains("windrow_log_bytes 0") && !text.contains(r#"stream="s""#), "{text}");
        let nobody = metrics.text_of(|_| false).unwrap();
        assert!(!nobody.contains("windrow_events_accepted_total"), "{nobody}");
    }

    #[test]
    fn a_reason_stands_where_its_value_points() {
        for (index, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
        for (index, why) in Denied::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
    }
}
