//! What the log does at its limits: memory, `wal.max`, a disk without room, a line larger than a
//! segment, requests that never end, a failed sync. Holds L2, L7, L9 and L10 of [`windrow::log`].

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod log_driver;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use log_driver::{Driver, STREAM, lines, lines_behind, options, poll, ready, schema, segments};
use windrow::disk::{RealDisk, SimDisk};
use windrow::log::{
    AppendError, CloseReason, CloseRecord, Control, Item, Log, LogOptions, Opened, Outcome,
    REQUEST_IN_FLIGHT_BYTES_MAX, SpaceState,
};

/// A log that is full after a few segments.
fn small() -> LogOptions {
    LogOptions { bytes_max: 512 << 10, ..options() }
}

#[test]
fn l10_a_request_waits_while_too_much_of_it_is_not_durable() {
    let wide = LogOptions { segment_bytes: 64 << 20, ..options() };
    let mut driver = Driver::open_with(&SimDisk::new(1), wide, &[]).unwrap();
    let mut request = driver.begin();
    let part = lines(1, 1, 1 << 20);
    let parts = REQUEST_IN_FLIGHT_BYTES_MAX / part.payload_bytes();
    for done in 0..parts {
        let part = lines_behind(done as u64, done as u64 + 1, 1, 1 << 20);
        driver.write(&mut request, part).unwrap();
    }
    let one_more = lines_behind(parts as u64, parts as u64 + 1, 1, 1 << 20);
    let permit = driver.permit(&one_more);
    {
        let mut write = pin!(request.write(one_more, permit));
        assert!(poll(&mut write).is_pending(), "{parts} MiB are queued");
        driver.settle();
        assert_eq!(poll(&mut write), Poll::Ready(Ok(())));
    }
    let count = parts as u64 + 1;
    let mut commit = driver.commit(request, lines_behind(count, count + 1, 1, 0), count + 1);
    driver.settle();
    assert!(commit.answer().unwrap().is_ok());
    assert_eq!(driver.read_all(), (1..=count + 1).collect::<Vec<_>>());
}

#[tokio::test]
async fn l10_who_finds_no_room_in_memory_is_told_after_a_while() {
    let tight =
        LogOptions { in_flight_bytes: 1000, admit_wait: Duration::from_millis(20), ..options() };
    let driver = Driver::open_with(&SimDisk::new(1), tight, &[]).unwrap();
    let mut held = driver.log.admit(900).await.unwrap();
    assert_eq!(driver.log.admit(200).await.unwrap_err(), AppendError::Busy);
    held.shrink_to(800);
    assert_eq!(driver.log.admit(200).await.unwrap().bytes(), 200);
    drop(held);
    assert_eq!(driver.log.admit(1 << 30).await.unwrap().bytes(), 1000, "a giant gets all there is");
}

#[test]
fn a_log_at_its_limit_refuses_requests_until_it_is_trimmed() {
    let mut driver = Driver::open_with(&SimDisk::new(1), small(), &[]).unwrap();
    let mut count = 0;
    while driver.log.space() == SpaceState::Enough {
        count += 1;
        driver.append(count, 1, 8000);
    }
    assert!(driver.log.usage().bytes <= small().bytes_max, "{:?}", driver.log.usage());
    let refused = lines(0, 1, 10);
    let permit = driver.permit(&refused);
    let outcome = Outcome { events: 1, ..Outcome::default() };
    let answer = ready(driver.begin().commit(refused, permit, outcome));
    assert_eq!(answer, Err(AppendError::LogFull));
    let mut position = driver.start();
    assert_eq!(driver.read(&mut position).len() as u64, count);
    assert!(driver.log.trim(position.restart).unwrap().segments > 0);
    assert_eq!(driver.log.space(), SpaceState::Enough);
    driver.append(count + 1, 1, 10);
    assert_eq!(driver.read(&mut position), [count + 1]);
}

#[test]
fn an_upload_that_holds_the_log_at_its_limit_is_aborted_and_lets_go() {
    let mut driver = Driver::open_with(&SimDisk::new(1), small(), &[]).unwrap();
    let mut upload = driver.begin();
    let mut position = driver.start();
    let mut count = 0;
    let error = loop {
        let part = lines_behind(count, count + 1, 1, 8000);
        if let Err(error) = driver.write(&mut upload, part) {
            break error;
        }
        count += 1;
        driver.settle();
        driver.read(&mut position);
        driver.log.trim(position.restart).unwrap();
    };
    assert_eq!(error, AppendError::UploadHoldsLog);
    assert!(position.restart.0 < 64 << 10, "the upload holds its first segment");
    drop(upload);
    driver.settle();
    assert_eq!(driver.read(&mut position), [] as [u64; 0]);
    assert!(driver.log.trim(position.restart).unwrap().segments > 0);
    driver.append(7, 1, 10);
    assert_eq!(driver.read(&mut position), [7]);
}

#[test]
fn l2_an_aborted_upload_leaves_no_trace_and_holds_nothing() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let mut upload = driver.begin();
    driver.write(&mut upload, lines(1, 1, 10)).unwrap();
    driver.append(2, 1, 10);
    let mut position = driver.start();
    assert_eq!(driver.read(&mut position), [2]);
    assert!(position.restart < driver.log.durable_end(), "it must be read again if it commits");
    drop(upload);
    driver.settle();
    assert_eq!(driver.read(&mut position), [] as [u64; 0]);
    assert_eq!(position.restart, driver.log.durable_end());
}

#[test]
fn l2_an_upload_that_a_crash_cut_off_leaves_no_trace_and_holds_nothing() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let mut upload = driver.begin();
    driver.write(&mut upload, lines(1, 1, 10)).unwrap();
    driver.settle();
    let mut position = driver.start();
    driver.read(&mut position);
    let disk = driver.disk.after_kill(1);
    let mut driver = Driver::open(&disk, &Driver::held(position)).unwrap();
    driver.append(2, 1, 10);
    assert_eq!(driver.read(&mut position), [2]);
    assert_eq!(position.restart, driver.log.durable_end());
}

#[test]
fn a_line_larger_than_a_segment_gets_one_of_its_size() {
    let disk = SimDisk::new(1);
    let mut driver = Driver::open(&disk, &[]).unwrap();
    driver.append(1, 1, 300 << 10);
    driver.append(2, 1, 10);
    driver.append(3, 1, 200 << 10);
    assert_eq!(driver.read_all(), [1, 2, 3]);
    let sizes: Vec<u64> = driver.log.segments().iter().map(|span| span.len_bytes).collect();
    assert!(sizes[0] > 300 << 10, "{sizes:?}: the first segment held nothing, and is gone");
    assert_eq!(segments(&disk).len(), sizes.len());
    let driver = Driver::open(&disk.after_crash(7), &[]).unwrap();
    assert_eq!(driver.read_all(), [1, 2, 3]);
}

#[test]
fn a_disk_without_room_for_a_segment_refuses_and_heals() {
    let disk = SimDisk::new(1);
    let mut driver = Driver::open(&disk, &[]).unwrap();
    driver.append(1, 1, 10);
    let mut upload = driver.begin();
    driver.write(&mut upload, lines(100, 1, 10)).unwrap();
    driver.settle();
    disk.set_free_bytes(0);
    // These don't fit into the segment any more: whoever waits is told, nothing is poisoned.
    let mut other = driver.commit(driver.begin(), lines(2, 1, 70_000), 1);
    driver.write(&mut upload, lines_behind(1, 101, 1, 70_000)).unwrap();
    driver.settle();
    assert_eq!(other.answer(), Some(Err(AppendError::DiskFull)));
    assert_eq!(driver.log.failed(), None);
    assert_eq!(driver.log.space(), SpaceState::DiskFull);
    let error = driver.write(&mut upload, lines_behind(2, 102, 1, 10)).unwrap_err();
    assert_eq!(error, AppendError::DiskFull);
    drop(upload);
    driver.settle();
    disk.set_free_bytes(1 << 30);
    let deadline = Instant::now() + Duration::from_secs(10);
    while driver.log.space() != SpaceState::Enough && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        driver.settle();
    }
    driver.append(3, 1, 10);
    let mut position = driver.start();
    assert_eq!(driver.read(&mut position), [1, 3]);
    assert_eq!(position.restart, driver.log.durable_end(), "the upload's abort is in the log");
}

#[test]
fn a_commit_behind_a_lost_frame_is_refused() {
    let disk = SimDisk::new(1);
    let mut driver = Driver::open(&disk, &[]).unwrap();
    let mut upload = driver.begin();
    driver.write(&mut upload, lines(1, 1, 10)).unwrap();
    driver.settle();
    disk.set_free_bytes(0);
    driver.write(&mut upload, lines_behind(1, 2, 1, 70_000)).unwrap();
    driver.settle();
    disk.set_free_bytes(1 << 30);
    let mut commit = driver.commit(upload, lines_behind(2, 3, 1, 10), 3);
    std::thread::sleep(Duration::from_millis(300));
    driver.settle();
    assert_eq!(commit.answer(), Some(Err(AppendError::DiskFull)));
    let mut position = driver.start();
    assert_eq!(driver.read(&mut position), [] as [u64; 0]);
    assert_eq!(position.restart, driver.log.durable_end());
}

#[test]
fn l7_after_a_failed_sync_everybody_is_told_and_nothing_enters() {
    let disk = SimDisk::new(1);
    let mut driver = Driver::open(&disk, &[]).unwrap();
    driver.append(1, 1, 10);
    let mut first = driver.commit(driver.begin(), lines(2, 1, 10), 1);
    disk.fail_sync_at(disk.ops() + 2);
    driver.settle();
    assert!(matches!(first.answer(), Some(Err(AppendError::Failed(_)))));
    assert!(driver.log.failed().is_some());
    assert_eq!(ready(driver.log.failure()), driver.log.failed().unwrap());
    let error = ready(driver.log.admit(1)).unwrap_err();
    assert!(matches!(error, AppendError::Failed(_)), "{error}");
    assert_eq!(driver.read_all(), [1]);
    assert!(driver.committer.is_finished());
}

#[test]
fn a_close_stands_in_the_log_where_it_was_asked_for() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 1, 10);
    let record = CloseRecord { reason: CloseReason::Request, window: Some("w".to_owned()) };
    {
        let mut close = pin!(driver.log.close_window(driver.stream, &record));
        assert!(poll(&mut close).is_pending());
        while driver.committer.step() {}
        assert!(matches!(poll(&mut close), Poll::Ready(Ok(_))));
    }
    driver.append(2, 1, 10);
    let disk = driver.disk.after_crash(SimDisk::KEEP_NOTHING);
    for driver in [&driver, &Driver::open(&disk, &[]).unwrap()] {
        let mut reader = driver.log.reader(driver.stream, driver.start()).unwrap();
        let mut order = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            match item {
                Item::Events(_) => order.push("events"),
                Item::Control { control: Control::CloseWindow(_, found), .. } => {
                    assert_eq!(found, record);
                    order.push("close");
                }
                _ => {}
            }
        }
        assert_eq!(order, ["events", "close", "events"]);
    }
}

#[test]
fn a_shutdown_writes_what_is_queued_and_seals_it_once() {
    let driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let mut commit = driver.commit(driver.begin(), lines(1, 1, 10), 1);
    let log = driver.log.clone();
    let disk = driver.shut_down();
    assert!(commit.answer().unwrap().is_ok());
    assert_eq!(
        ready(log.begin(log.stream(STREAM).unwrap().0).commit(
            lines(2, 1, 0),
            ready(log.admit(1)).unwrap(),
            Outcome::default()
        )),
        Err(AppendError::ShuttingDown)
    );
    let files = disk.files();
    for _ in 0..3 {
        let driver = Driver::open(&disk, &[]).unwrap();
        assert_eq!(driver.read_all(), [1]);
        driver.shut_down();
    }
    assert_eq!(disk.files(), files, "starting and ending writes nothing");
}

/// A log on a real disk, with its threads.
fn threads(options: LogOptions) -> (Log, Vec<std::thread::JoinHandle<()>>) {
    let schemas = vec![(STREAM.to_owned(), schema())];
    let Opened { log, committer, preparer, .. } =
        Log::open(Arc::new(RealDisk), options, schemas, &[]).unwrap();
    let committer = std::thread::spawn(move || committer.run());
    let preparer = std::thread::spawn(move || preparer.run());
    (log, vec![committer, preparer])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_and_segments_with_all_threads_running() {
    let directory = tempfile::tempdir().unwrap();
    let (log, handles) = threads(LogOptions {
        dir: directory.path().to_owned(),
        segment_bytes: 256 << 10,
        seal_after: Duration::from_millis(5),
        ..options()
    });
    let stream = log.stream(STREAM).unwrap().0;
    let clients = (0..16_u64).map(|client| {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0..40 {
                let number = client * 1000 + n;
                let pad = if n % 10 == 0 { 20_000 } else { 100 };
                let lines = lines(number, 1, pad);
                let permit = log.admit(lines.payload_bytes()).await.unwrap();
                let outcome = Outcome { events: 1, ..Outcome::default() };
                log.begin(stream).commit(lines, permit, outcome).await.unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert!(log.segments().len() > 4);
    log.shut_down();
    for handle in handles {
        handle.join().unwrap();
    }
    let left = std::fs::read_dir(directory.path()).unwrap();
    let temporary = left.filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "new")
    });
    assert_eq!(temporary.count(), 0, "the prepared segment goes when the log ends");
    let (log, handles) = threads(LogOptions { dir: directory.path().to_owned(), ..options() });
    let start = windrow::log::Position::at(log.id(), log.segments()[0].first_lsn);
    let mut reader = log.reader(stream, start).unwrap();
    let mut count = 0;
    while let Some(item) = reader.next().unwrap() {
        count += usize::from(matches!(item, Item::Committed(_)));
    }
    assert_eq!(count, 16 * 40);
    log.shut_down();
    for handle in handles {
        handle.join().unwrap();
    }
}

#[test]
fn what_does_not_fit_into_one_batch_does_not_wait() {
    let driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    // A batch of small segments takes 16 KiB.
    let commits: Vec<_> =
        (0..40).map(|n| driver.commit(driver.begin(), lines(n, 1, 10_000), 1)).collect();
    let began = Instant::now();
    driver.log.shut_down();
    let committer = driver.committer;
    std::thread::spawn(move || committer.run()).join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for mut commit in commits {
        assert!(commit.answer().unwrap().is_ok());
    }
}
