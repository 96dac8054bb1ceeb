//! However many workers there are, rows stand in the order of the log.

use std::sync::Mutex;

use crate::harness::position;
use crate::harness::table::{Counts, Event, Rig, events, in_both_databases, lines, number_of};

in_both_databases![
    several_workers_store_in_the_order_of_the_log,
    of_many_that_send_one_id_the_first_in_the_log_wins,
];

fn several_workers_store_in_the_order_of_the_log(rig: &Rig) {
    // The order in which rows came is what the database numbers them in.
    let number = if rig.is_sqlite() {
        rig.create_table_with("");
        "rowid"
    } else {
        rig.create_table_with(", number BIGINT NOT NULL AUTO_INCREMENT, UNIQUE (number)");
        "number"
    };
    let daemon = rig.start_with(&["--table-workers", "8"]);
    // Large ones among small ones: a worker that gets one is overtaken by all the others.
    let sent: Vec<_> = (0..5000)
        .map(|n| {
            let size = if n % 500 == 3 { 300_000 } else { n as usize % 300 };
            Event::number(n).with_data(format!(r#"{{"n":{n},"pad":"{}"}}"#, "x ".repeat(size)))
        })
        .collect();
    daemon.store(&sent);
    let stored = rig.sql().column(&format!("SELECT id FROM processed_events ORDER BY {number}"));
    let expected: Vec<_> = sent.iter().map(|event| event.id.clone()).collect();
    assert!(stored == expected, "rows don't stand in the order of the log");
}

fn of_many_that_send_one_id_the_first_in_the_log_wins(rig: &Rig) {
    let daemon = rig.start_with(&["--table-workers", "8"]);
    // (where in the log, which ten ids, which client's), as they were acknowledged.
    let sent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (daemon, sent) = (&daemon, &sent);
            scope.spawn(move || {
                let mut connection = daemon.connect();
                for round in 0..20 {
                    let body: Vec<_> = (round * 10..round * 10 + 10)
                        .map(|n| Event::number(n).with_data(format!(r#"{{"client":{client}}}"#)))
                        .collect();
                    let answer =
                        connection.send("POST", "/v1/streams/events", &[], lines(&body).as_bytes());
                    sent.lock().unwrap().push((
                        position(&answer).parse::<u64>().unwrap(),
                        round,
                        client,
                    ));
                }
            });
        }
    });
    let mut sent = sent.into_inner().unwrap();
    sent.sort_unstable();
    daemon.store(&events(1000..1001));
    let mut first = [None; 20];
    for (_, round, client) in sent {
        first[round as usize].get_or_insert(client);
    }
    let rows = rig.rows();
    assert_eq!(rows.len(), 201);
    for row in rows.iter().filter(|row| row.data["client"].is_number()) {
        assert_eq!(row.data["client"], first[number_of(&row.id) as usize / 10].unwrap(), "{row:?}");
    }
    daemon.wait_for_counts(Counts {
        received: 1601,
        processed: 201,
        duplicate: 1400,
        ..Counts::default()
    });
}
