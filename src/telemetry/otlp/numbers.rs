//! The page of `/metrics` in the words of the protocol: one set of numbers, under the same names, wherever one looks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1 as otlp;

use super::words::{nanoseconds, resource, scope, text};

/// Each point tells all since the start.
const CUMULATIVE: i32 = otlp::AggregationTemporality::Cumulative as i32;

/// One line of the page.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    value: f64,
}

/// What is gathered of one histogram with one set of labels.
#[derive(Default)]
struct Buckets {
    /// Bounds, and how many values were not above them.
    counts: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

/// The request that tells what the page tells.
pub(super) fn request(
    service: &str,
    page: &str,
    start: Timestamp,
    now: Timestamp,
) -> ExportMetricsServiceRequest {
    let (start, now) = (nanoseconds(start), nanoseconds(now));
    let mut metrics = Vec::new();
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        {
            helps.insert(name, help);
        }
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            samples.extend(sample(line));
        }
        let point = |sample: &Sample<'_>| otlp::NumberDataPoint {
            attributes: attributes(&sample.labels),
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(otlp::number_data_point::Value::AsDouble(sample.value)),
            ..otlp::NumberDataPoint::default()
        };
        let data = match kind {
            "counter" => otlp::metric::Data::Sum(otlp::Sum {
                data_points: samples.iter().map(point).collect(),
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            }),
            "histogram" => otlp::metric::Data::Histogram(otlp::Histogram {
                data_points: histogram(name, samples, start, now),
                aggregation_temporality: CUMULATIVE,
            }),
            _ => otlp::metric::Data::Gauge(otlp::Gauge {
                data_points: samples.iter().map(point).collect(),
            }),
        };
        metrics.push(otlp::Metric {
            name: name.to_owned(),
            description: helps.get(name).copied().unwrap_or_default().to_owned(),
            data: Some(data),
            ..otlp::Metric::default()
        });
    }
    let scoped = otlp::ScopeMetrics {
        scope: Some(scope()),
        metrics,
        ..otlp::ScopeMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![otlp::ResourceMetrics {
            resource: Some(resource(service)),
            scope_metrics: vec![scoped],
            ..otlp::ResourceMetrics::default()
        }],
    }
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels.iter().map(|(key, value)| text(key, value)).collect()
}

fn histogram(
    name: &str,
    samples: Vec<Sample<'_>>,
    start: u64,
    now: u64,
) -> Vec<otlp::HistogramDataPoint> {
    let mut points: BTreeMap<Vec<(String, String)>, Buckets> = BTreeMap::new();
    for mut sample in samples {
        let bound = sample.labels.iter().position(|(key, _)| key == "le");
        let bound = bound.map(|at| sample.labels.remove(at).1);
        let point = points.entry(sample.labels).or_default();
        match (sample.name.strip_prefix(name), bound) {
            (Some("_sum"), _) => point.sum = sample.value,
            (Some("_count"), _) => point.count = sample.value as u64,
            (Some("_bucket"), Some(bound)) => {
                let bound = bound.parse().unwrap_or(f64::INFINITY);
                point.counts.push((bound, sample.value as u64));
            }
            _ => {}
        }
    }
    let points = points.into_iter().map(|(labels, mut point)| {
        point.counts.sort_by(|one, other| one.0.total_cmp(&other.0));
        let bounds = point.counts.iter().map(|(bound, _)| *bound);
        let mut below = 0;
        let own = point.counts.iter().map(|(_, count)| {
            let own = count.saturating_sub(below);
            below = *count;
            own
        });
        otlp::HistogramDataPoint {
            attributes: attributes(&labels),
            start_time_unix_nano: start,
            time_unix_nano: now,
            count: point.count,
            sum: Some(point.sum),
            bucket_counts: own.collect(),
            explicit_bounds: bounds.filter(|bound| bound.is_finite()).collect(),
            ..otlp::HistogramDataPoint::default()
        }
    });
    points.collect()
}

/// Reads `name{key="value",…} 1.5`.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (told, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = told.split_once('{') else {
        return Some(Sample {
            name: told,
            labels: Vec::new(),
            value,
        });
    };
    let mut rest = labels;
    let mut labels = Vec::new();
    while let Some((key, quoted)) = rest.split_once("=\"") {
        let (value, behind) = unquoted(quoted)?;
        labels.push((key.trim_start_matches(',').to_owned(), value));
        rest = behind;
    }
    Some(Sample {
        name,
        labels,
        value,
    })
}

/// The text up to the closing quote, and what stands behind that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::telemetry::{Metrics, TargetFate, TargetOnly};

    #[test]
    fn the_page_is_told_in_full() {
        let metrics = Metrics::new();
        let target = Name::new("a \"b\", {c} \\ d=\"e").unwrap();
        let label = TargetFate {
            target: target.clone(),
            fate: "dead",
        };
        metrics.deliveries.get_or_create(&label).set(2);
        metrics.deliveries_total.get_or_create(&label).inc_by(3);
        let took = metrics
            .delivery_seconds
            .get_or_create(&TargetOnly { target })
            .clone();
        [0.001, 0.1, 1e9]
            .into_iter()
            .for_each(|took_seconds| took.observe(took_seconds));
        let at = |second| Timestamp::from_second(second).unwrap();
        let page = metrics.page();
        let told = request("camhook", &page, at(1), at(2));
        let found = |name: &str| {
            let metrics = &told.resource_metrics[0].scope_metrics[0].metrics;
            let found = metrics.iter().find(|metric| metric.name == name);
            found
                .unwrap_or_else(|| panic!("no {name}"))
                .data
                .clone()
                .unwrap()
        };
        let otlp::metric::Data::Gauge(gauge) = found("camhook_deliveries") else {
            panic!("no gauge");
        };
        let text = format!("{:?}", gauge.data_points[0].attributes);
        assert!(text.contains(r#"a \"b\", {c} \\ d=\"e"#), "{text}");
        let otlp::metric::Data::Sum(sum) = found("camhook_deliveries_total") else {
            panic!("no sum");
        };
        assert!(sum.is_monotonic && sum.data_points[0].start_time_unix_nano == 1_000_000_000);
        let otlp::metric::Data::Histogram(histogram) = found("camhook_delivery_seconds") else {
            panic!("no histogram");
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.count, 3);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), 3);
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.last(), Some(&1));
    }
}
