//! Counters, gauges and histograms with etcd's names, in Prometheus' text format.
//!
//! There is one registry a process, as in the reference. A series is looked up
//! once and then counted without a lock.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

/// A number that goes up, or that is set.
#[derive(Clone, Debug, Default)]
pub struct Cell(Arc<AtomicU64>);

impl Cell {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }
    /// Takes from it.
    pub fn sub(&self, n: u64) {
        // Wraps around below zero, which reading as a signed number undoes.
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
    /// Takes one away.
    pub fn dec(&self) {
        self.sub(1);
    }
    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, by buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// Upper bounds in seconds.
    bounds: Vec<f64>,
    counts: Vec<AtomicU64>,
    count: AtomicU64,
    /// Nanoseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Counts one occurrence.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (bound, count) in self.0.bounds.iter().zip(&self.0.counts) {
            if seconds <= *bound {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

/// `start`, `start*2`, … in seconds, as Prometheus' `ExponentialBuckets(start, 2, count)`.
#[must_use]
pub fn doubling(start: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * 2.0))
        .take(count)
        .collect()
}

enum Series {
    Cell(Cell),
    /// Nanoseconds, shown as seconds.
    Seconds(Cell),
    Histogram(Histogram),
}

struct Family {
    help: &'static str,
    kind: &'static str,
    /// By its labels as they are printed, without braces.
    series: BTreeMap<String, Series>,
}

type Registry = Mutex<BTreeMap<&'static str, Family>>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::default)
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

fn cell(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    pairs: &[(&str, &str)],
) -> Cell {
    let mut registry = registry().lock();
    let family = registry.entry(name).or_insert_with(|| Family {
        help,
        kind,
        series: BTreeMap::new(),
    });
    match family
        .series
        .entry(labels(pairs))
        .or_insert_with(|| Series::Cell(Cell::default()))
    {
        Series::Cell(cell) => cell.clone(),
        // A name means one kind everywhere; a cell nobody reads is better than a panic.
        Series::Histogram(_) | Series::Seconds(_) => Cell::default(),
    }
}

/// Sets the counter of seconds of this name.
pub fn set_seconds(name: &'static str, help: &'static str, to: Duration) {
    let mut registry = registry().lock();
    let family = registry.entry(name).or_insert_with(|| Family {
        help,
        kind: "counter",
        series: BTreeMap::new(),
    });
    let cell = Cell::default();
    cell.set(u64::try_from(to.as_nanos()).unwrap_or(u64::MAX));
    family.series.insert(String::new(), Series::Seconds(cell));
}

/// The counter of this name and these labels.
pub fn counter(name: &'static str, help: &'static str, pairs: &[(&str, &str)]) -> Cell {
    cell(name, "counter", help, pairs)
}

/// The gauge of this name and these labels.
pub fn gauge(name: &'static str, help: &'static str, pairs: &[(&str, &str)]) -> Cell {
    cell(name, "gauge", help, pairs)
}

/// The histogram of this name and these labels; `bounds` in seconds, rising.
pub fn histogram(
    name: &'static str,
    help: &'static str,
    bounds: Vec<f64>,
    pairs: &[(&str, &str)],
) -> Histogram {
    let mut registry = registry().lock();
    let family = registry.entry(name).or_insert_with(|| Family {
        help,
        kind: "histogram",
        series: BTreeMap::new(),
    });
    let made = || {
        let counts = bounds.iter().map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(Buckets {
            bounds: bounds.clone(),
            counts,
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }))
    };
    match family
        .series
        .entry(labels(pairs))
        .or_insert_with(|| Series::Histogram(made()))
    {
        Series::Histogram(histogram) => histogram.clone(),
        Series::Cell(_) | Series::Seconds(_) => made(),
    }
}

/// Everything counted so far, as `/metrics` shows it.
#[must_use]
pub fn text() -> String {
    let mut out = String::with_capacity(16 * 1024);
    for (name, family) in registry().lock().iter() {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "# HELP {name} {}\n# TYPE {name} {}",
            family.help, family.kind
        );
        for (labels, series) in &family.series {
            match series {
                Series::Cell(cell) if family.kind == "gauge" => {
                    let _ = writeln!(out, "{name}{} {}", braced(labels), cell.get().cast_signed());
                }
                Series::Cell(cell) => {
                    let _ = writeln!(out, "{name}{} {}", braced(labels), cell.get());
                }
                Series::Seconds(cell) => {
                    let seconds = Duration::from_nanos(cell.get()).as_secs_f64();
                    let _ = writeln!(out, "{name}{} {seconds}", braced(labels));
                }
                Series::Histogram(histogram) => write_histogram(&mut out, name, labels, histogram),
            }
        }
    }
    out
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn write_histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let comma = if labels.is_empty() { "" } else { "," };
    let buckets = &histogram.0;
    let count = buckets.count.load(Ordering::Relaxed);
    for (bound, n) in buckets.bounds.iter().zip(&buckets.counts) {
        let n = n.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {n}");
    }
    let sum = Duration::from_nanos(buckets.sum.load(Ordering::Relaxed)).as_secs_f64();
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(
        out,
        "{name}_sum{} {sum}\n{name}_count{} {count}",
        braced(labels),
        braced(labels)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus() {
        counter("test_total", "Help.", &[("To", "a\"b")]).add(3);
        gauge("test_gauge", "Help.", &[]).set(1);
        gauge("test_gauge", "Help.", &[]).dec();
        gauge("test_gauge", "Help.", &[]).dec();
        set_seconds("test_seconds_total", "Help.", Duration::from_millis(1500));
        histogram("test_seconds", "Help.", doubling(0.001, 2), &[])
            .observe(Duration::from_millis(2));
        let text = text();
        for line in [
            "# TYPE test_total counter",
            "test_total{To=\"a\\\"b\"} 3",
            "test_gauge -1",
            "# TYPE test_seconds_total counter",
            "test_seconds_total 1.5",
            "test_seconds_bucket{le=\"0.001\"} 0",
            "test_seconds_bucket{le=\"0.002\"} 1",
            "test_seconds_bucket{le=\"+Inf\"} 1",
            "test_seconds_sum 0.002",
            "test_seconds_count 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
