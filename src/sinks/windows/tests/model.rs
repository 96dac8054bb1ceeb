//! What the windows must be, event by event and without a thought for speed, and proptests that they
//! are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::harness::{History, Step, files, records, request, run};
use crate::disk::SimDisk;
use crate::sinks::windows::{Anchor, WindowsOptions};
use crate::time::Timestamp;

/// A window or late file of the model.
#[derive(Clone, Debug, Default)]
struct Window {
    start: i64,
    end: i64,
    late: bool,
    named_by: i64,
    rows: Vec<(i64, String)>,
    columns: usize,
}

/// Every file in the order of its commit, then those that stay open.
#[derive(Debug, Default)]
pub struct Model {
    committed: Vec<Window>,
    open: Vec<Window>,
    late: Option<Window>,
    first: Option<i64>,
    latest: Option<i64>,
}

impl Model {
    pub fn of(script: &[Step], options: &WindowsOptions) -> Self {
        let mut model = Self::default();
        let mut names = History::of(script).events.into_iter();
        let mut columns = 2;
        for step in script {
            match step {
                Step::Request(frames) => {
                    for _ in frames.iter().flatten() {
                        let (time, name) = names.next().unwrap();
                        model.event(time, name, columns, options);
                    }
                }
                Step::Close => model.close(),
                Step::Schema => {
                    columns = 5 - columns;
                    model.close();
                }
            }
        }
        model
    }

    fn close(&mut self) {
        self.committed.extend(self.late.take());
        if let Some(newest) = self.open.last_mut() {
            newest.end = newest.rows.iter().map(|(time, _)| *time).max().unwrap() + 1;
        }
        self.committed.append(&mut self.open);
    }

    fn event(&mut self, time: i64, name: String, columns: usize, options: &WindowsOptions) {
        let lateness = options.lateness.as_nanos() as i64;
        let length = options.length.as_nanos() as i64;
        self.latest = self.latest.max(Some(time));
        let latest = self.latest.unwrap();
        if self.open.first().is_some_and(|oldest| oldest.end + lateness <= latest) {
            self.committed.extend(self.late.take());
            while self.open.first().is_some_and(|oldest| oldest.end + lateness <= latest) {
                self.committed.push(self.open.remove(0));
            }
        }
        let ends = self.committed.iter().filter(|window| !window.late).map(|window| window.end);
        let floor = ends.max().unwrap_or(i64::MIN);
        let row = (time, name);
        if time >= floor
            && let Some(window) =
                self.open.iter_mut().find(|window| (window.start..window.end).contains(&time))
        {
            window.rows.push(row);
            return;
        }
        let first = *self.first.get_or_insert(time);
        let (start, end) = match options.anchor {
            Anchor::FirstEvent => (time, time + length),
            Anchor::Grid => grid(time, first, length),
            Anchor::Epoch => grid(time, 0, length),
        };
        let before = self.open.iter().filter(|window| window.end <= time).map(|window| window.end);
        let start = start.max(before.max().unwrap_or(floor)).max(floor);
        let next = self.open.iter_mut().find(|window| window.start > time);
        let fresh =
            Window { start, end, named_by: time, columns, rows: vec![row.clone()], late: false };
        let is_late = match (options.anchor, &next) {
            (_, _) if time < floor => true,
            (Anchor::FirstEvent, None) => false,
            (Anchor::FirstEvent, Some(_)) => time + lateness < latest,
            (Anchor::Grid | Anchor::Epoch, _) => end + lateness <= latest,
        };
        if is_late {
            let late = self.late.get_or_insert(Window {
                late: true,
                named_by: time,
                columns,
                ..Window::default()
            });
            late.rows.push(row);
            return;
        }
        match next {
            Some(next) if options.anchor == Anchor::FirstEvent && end > next.start => {
                next.start = time;
                next.rows.push(row);
            }
            _ => {
                self.open.push(fresh);
                self.open.sort_by_key(|window| window.start);
            }
        }
    }

    /// The files by name, as they are to be on disk.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        let mut all: Vec<(&Window, &str)> = Vec::new();
        all.extend(self.committed.iter().map(|window| (window, "")));
        all.extend(self.open.iter().chain(&self.late).map(|window| (window, ".open")));
        // Names are given when files are opened: in the order of the event that they are named by.
        let order = |window: &Window| -> usize {
            let name = &window.rows[0].1;
            name.split([' ', ',']).nth(1).unwrap().parse().unwrap()
        };
        all.sort_by_key(|(window, _)| order(window));
        let mut files = BTreeMap::new();
        for (window, suffix) in all {
            let stamp = Timestamp::from_nanos(window.named_by).file_stamp();
            let late = if window.late { ".late" } else { "" };
            let number = taken.entry(format!("{stamp}{late}")).or_default();
            *number += 1;
            let number = if *number > 1 { format!("-{number}") } else { String::new() };
            files.insert(format!("s-{stamp}{number}{late}.csv{suffix}"), window.csv());
        }
        files
    }

    /// Start, end and whether late, of the committed ones in order.
    pub fn spans(&self) -> Vec<(i64, i64, bool)> {
        let span = |window: &Window| {
            let times = || window.rows.iter().map(|(time, _)| *time);
            if window.late {
                (times().min().unwrap(), times().max().unwrap() + 1, true)
            } else {
                (window.start, window.end, false)
            }
        };
        self.committed.iter().map(span).collect()
    }
}

fn grid(time: i64, origin: i64, length: i64) -> (i64, i64) {
    let start = origin + (time - origin).div_euclid(length) * length;
    (start, start + length)
}

impl Window {
    /// Written by the csv crate, which knows nothing of windrow.
    fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let cells =
            |cells: [&str; 3]| cells.into_iter().take(self.columns).map(str::to_owned).collect();
        let mut write = |row: Vec<String>| writer.write_record(row).unwrap();
        write(cells(["at", "name", "extra"]));
        for (time, name) in &self.rows {
            write(cells([&Timestamp::from_nanos(*time).to_string(), name, ""]));
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }
}

fn any_options() -> impl Strategy<Value = WindowsOptions> {
    let anchor = prop_oneof![Just(Anchor::FirstEvent), Just(Anchor::Grid), Just(Anchor::Epoch)];
    (anchor, 1..40_u64, 0..60_u64).prop_map(|(anchor, length, lateness)| WindowsOptions {
        anchor,
        length: std::time::Duration::from_secs(length),
        lateness: std::time::Duration::from_millis(lateness * 500),
        ..WindowsOptions::default()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let times = prop::collection::vec(0..200_i64, 1..12);
    let frames = prop::collection::vec(times, 1..4);
    prop_oneof![
        8 => (0..2000_i64, frames).prop_map(|(base, frames)| {
            // In half seconds, so that names meet.
            let frame = |times: Vec<i64>| times.into_iter().map(|time| (base + time) * 500_000_000);
            Step::Request(frames.into_iter().map(|times| frame(times).collect()).collect())
        }),
        4 => (0..2000_i64, 1..100_i64).prop_map(|(base, count)| {
            request((base..base + count).map(|time| time * 500_000_000))
        }),
        1 => Just(Step::Close),
        1 => Just(Step::Schema),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// W2, W3, W6: whatever comes, in whatever order.
    #[test]
    fn windows_are_what_the_model_says(
        options in any_options(),
        script in prop::collection::vec(any_step(), 1..20),
    ) {
        let model = Model::of(&script, &options);
        let disk = SimDisk::new(1);
        run(&disk, &options, &History::of(&script)).unwrap();
        prop_assert_eq!(files(&disk), model.files());
        let spans: Vec<_> = records(&disk)
            .iter()
            .map(|record| {
                (record.window_start.as_nanos(), record.window_end.as_nanos(), record.late)
            })
            .collect();
        prop_assert_eq!(&spans, &model.spans());
        let mut windows: Vec<_> = spans.iter().filter(|(_, _, late)| !late).collect();
        windows.sort();
        prop_assert!(windows.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", windows);
    }
}
