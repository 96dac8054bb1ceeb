//! The pool: order, panics, hanging events, and figures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::rig::{Fate, Rig, Scripted, id, line, options};
use crate::log::Item;
use crate::quarantine::Stage;
use crate::sinks::table::{
    Event, Processed, Processor, Refused, StandardProcessor, TableOptions, is_contained,
};
use crate::sinks::{Events, OpenSink};

#[test]
fn several_workers_leave_the_order_of_the_log() {
    let mut rig = Rig::slow(options(8));
    let lines: Vec<_> =
        (0..3000).map(|number| line(id(number), Fate::Stored, number as usize)).collect();
    for lines in lines.chunks(700) {
        rig.append(lines);
    }
    rig.settle();
    assert_eq!(rig.stored(), (0..3000).collect::<Vec<_>>());
}

/// Remembers how many are processed at a time.
#[derive(Debug, Default)]
struct Together {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Processor for Together {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(300));
        self.now.fetch_sub(1, Ordering::SeqCst);
        StandardProcessor.process(event)
    }
}

#[test]
fn as_many_events_are_processed_at_a_time_as_there_are_workers() {
    for workers in [1, 4] {
        let processor = Arc::new(Together::default());
        let mut rig = rig(options(workers), processor.clone());
        let lines: Vec<_> =
            (0..2048).map(|number| line(id(number), Fate::Stored, number as usize)).collect();
        rig.append(&lines);
        rig.settle();
        assert_eq!(processor.most.load(Ordering::SeqCst), workers);
    }
}

fn rig(options: TableOptions, processor: Arc<dyn Processor>) -> Rig {
    Rig::with(options, processor, Arc::new(Scripted { slow: false }))
}

/// Panics as people do.
#[derive(Debug)]
struct Panics;

impl Processor for Panics {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        assert!(is_contained(), "a panic hook can tell");
        assert!(event.user_id != Some("panics"), "of {}", event.id);
        StandardProcessor.process(event)
    }
}

#[test]
fn a_panic_fails_its_event_and_no_other() {
    let mut rig = rig(options(1), Arc::new(Panics));
    for number in 0..3 {
        let fate = if number == 1 { Fate::Panics } else { Fate::Stored };
        rig.append(&[line(id(number), fate, number as usize)]);
        assert_eq!(rig.settle(), 0, "the sink goes on");
    }
    assert_eq!(rig.stored(), [0, 2]);
    let quarantined = rig.quarantined();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].stage, Stage::Processor);
    assert_eq!(quarantined[0].reason, format!("the processor panicked: of {}", id(1)));
}

/// Hangs over some events until it is let go.
#[derive(Debug, Default)]
struct Hangs {
    free: Mutex<bool>,
    freed: Condvar,
    hanging: AtomicUsize,
}

impl Hangs {
    fn let_go(&self) {
        *self.free.lock().unwrap() = true;
        self.freed.notify_all();
    }
}

impl Processor for Hangs {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        if event.user_id == Some("panics") {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            let free = self.free.lock().unwrap();
            drop(self.freed.wait_while(free, |free| !*free).unwrap());
            self.hanging.fetch_sub(1, Ordering::SeqCst);
        }
        StandardProcessor.process(event)
    }
}

const SHORT: Duration = Duration::from_millis(60);

fn hanging(workers: usize) -> (Arc<Hangs>, Rig) {
    let processor = Arc::new(Hangs::default());
    let options = TableOptions { workers, process_timeout: SHORT };
    (processor.clone(), rig(options, processor))
}

#[test]
fn an_event_that_hangs_fails_and_the_rest_of_its_batch_goes_on() {
    let (processor, mut rig) = hanging(1);
    let fate = |number| if number % 10 == 3 { Fate::Panics } else { Fate::Stored };
    let lines: Vec<_> =
        (0..20).map(|number| line(id(number), fate(number), number as usize)).collect();
    rig.append(&lines);
    let begun = Instant::now();
    assert_eq!(rig.settle(), 0);
    assert!(begun.elapsed() >= 2 * SHORT, "neither is cut short");
    let stored: Vec<u64> = (0..20).filter(|number| number % 10 != 3).collect();
    assert_eq!(rig.stored(), stored);
    let reasons: Vec<_> = rig.quarantined().into_iter().map(|record| record.reason).collect();
    assert_eq!(reasons, ["it took longer than 60ms to process"; 2]);
    rig.wait_until_idle();
    // What comes of it in the end is worth nothing.
    processor.let_go();
    while processor.hanging.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    rig.append(&[line(id(20), Fate::Stored, 20)]);
    assert_eq!(rig.settle(), 0);
    assert_eq!((rig.stored().len(), rig.quarantined().len()), (19, 2));
}

/// Comes to an end with the first event only when somebody else is at the second one already.
#[derive(Debug, Default)]
struct Late {
    second_begun: Hangs,
}

impl Processor for Late {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        if event.user_id == Some(Fate::Panics.user()) {
            return self.second_begun.process(event);
        }
        self.second_begun.let_go();
        while self.second_begun.hanging.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // For the one who comes late to put down what nobody wants any more.
        std::thread::sleep(SHORT / 2);
        StandardProcessor.process(event)
    }
}

#[test]
fn what_comes_late_is_discarded_while_others_go_on() {
    let mut rig =
        rig(TableOptions { workers: 2, process_timeout: 2 * SHORT }, Arc::new(Late::default()));
    rig.append(&[line(id(0), Fate::Panics, 0), line(id(1), Fate::Stored, 1)]);
    assert_eq!(rig.settle(), 0);
    assert_eq!(rig.stored(), [1]);
    assert_eq!(rig.quarantined().len(), 1);
}

#[test]
fn too_many_events_that_hang_stop_the_sink_until_they_are_done() {
    let (processor, mut rig) = hanging(4);
    let lines: Vec<_> =
        (0..40).map(|number| line(id(number), Fate::Panics, number as usize)).collect();
    // One in each batch, so that workers hang side by side.
    for line in &lines {
        rig.append(std::slice::from_ref(line));
        rig.runner.step();
    }
    let health = rig.runner.status().health(rig.log.durable_end());
    assert!(health.error.unwrap().contains("long after their time limit"));
    processor.let_go();
    rig.settle();
    let (stored, failed) = (rig.stored().len(), rig.quarantined().len());
    assert_eq!(stored + failed, 40);
    assert_eq!(failed, 32, "those that were given up");
}

/// Neither for a worker that hangs nor for its writer; and the next sink is opened all the same.
#[test]
fn dropping_the_sink_waits_for_nobody() {
    let processor = Arc::new(Hangs::default());
    let options = TableOptions { workers: 1, process_timeout: Duration::from_mins(1) };
    let mut rig = rig(options, processor.clone());
    let fate = |number| if number == 0 { Fate::Panics } else { Fate::Stored };
    let lines: Vec<_> =
        (0..600).map(|number| line(id(number), fate(number), number as usize)).collect();
    rig.append(&lines);
    let start = rig.floor().position;
    let (stream, _) = rig.log.stream("events").unwrap();
    let mut sink = rig.table.open(start, rig.log.recovered_end()).unwrap();
    let mut reader = rig.log.reader(stream, sink.durable()).unwrap();
    let events = loop {
        if let Item::Events(events) = reader.next().unwrap().unwrap() {
            break events;
        }
    };
    sink.apply(&Events::from(&events)).unwrap();
    while processor.hanging.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(rig.metrics.active_workers.get(), 1);
    assert_eq!(rig.metrics.queue_depth.get(), 600);
    let begun = Instant::now();
    drop(sink);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let sink = rig.table.open(start, rig.log.recovered_end()).unwrap();
    assert_eq!(rig.metrics.queue_depth.get(), 0, "what was dropped doesn't wait");
    drop(sink);
    processor.let_go();
    rig.settle();
    assert_eq!(rig.stored().len(), 600);
}
