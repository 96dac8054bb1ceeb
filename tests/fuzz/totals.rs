//! Totals of a CSV file, however odd: what counts and what is bad, as the `csv` crate and `chrono` read it.

use std::collections::HashMap;
use std::io::Write as _;

use arbitrary::{Result, Unstructured};
use windrow::time::Timestamp;
use windrow::totals::{self, BadLines, Bucket, Input, Interval, LINE_BYTES_MAX, Question};

use crate::csv::theirs;
use crate::subject::Subject;
use crate::{memory, timestamps};

/// A chunk's buffer, and the tally of each hour that is asked about.
const BESIDE_BYTES: usize = 2 << 20;
const BYTES_A_BYTE: usize = 64;
const HOUR_NANOS: i64 = 3_600_000_000_000;
/// The columns of a file without a header.
const RECORD: [&str; 5] =
    ["customer_id", "event_type", "transaction_id", "timestamp", "properties"];

#[test]
fn totals() {
    Subject { name: "totals", generate, check, entropy_bytes_max: 2048, cases: 3000 }.run();
}

fn check(file: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    // What is compressed is another subject's.
    if file.starts_with(&[0x1f, 0x8b]) || file.starts_with(&[0x28, 0xb5]) {
        return Ok(());
    }
    let question = question(u)?;
    let mut on_disk = tempfile::NamedTempFile::new_in(memory_dir()).unwrap();
    on_disk.write_all(file).unwrap();
    let input = Input::open(on_disk.path()).unwrap();
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * file.len();
    let found = memory::within(bytes_max, || totals::count(&input, &question, &|_| {}));
    let expected = Expected::of(file, &question);
    match (found, expected) {
        (Ok((totals, bad)), Some(expected)) => {
            let found: Vec<Bucket<'_>> = totals.buckets().collect();
            expected.compare(&found, &bad, &question);
        }
        (Err(error), None) => assert!(!error.to_string().contains('\n')),
        (Ok(_), None) => panic!("its header doesn't do, and was counted"),
        (Err(error), Some(_)) => panic!("it can be counted, but: {error}"),
    }
    Ok(())
}

/// Where a file costs no disk.
fn memory_dir() -> &'static std::path::Path {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() { shm } else { std::path::Path::new("/tmp") }
}

fn question(u: &mut Unstructured<'_>) -> Result<Question> {
    const TIMES: [&str; 5] = [
        "2024-07-01",
        "2024-07-01T02:03:04Z",
        "2024-07-01T02:30:00.5Z",
        "2024-07-02",
        "2024-07-03",
    ];
    let mut at = || Ok(Timestamp::parse(u.choose(&TIMES)?).unwrap());
    let (a, b): (Timestamp, Timestamp) = (at()?, at()?);
    let mut one_of = |texts: &[&str]| -> Result<Option<String>> {
        Ok(if u.ratio(1, 3)? { Some((*u.choose(texts)?).to_owned()) } else { None })
    };
    Ok(Question {
        interval: Interval::new(a.min(b), a.max(b)).unwrap(),
        customer: one_of(&["a", "", "b,c", "d\"e", "é"])?,
        event_type: one_of(&["login", ""])?,
    })
}

/// What should come out.
#[derive(Default)]
struct Expected {
    /// By the hour's number, from the interval's first: customers, in the order of their first events.
    hours: HashMap<i64, Vec<(String, u64)>>,
    /// The numbers of the bad lines.
    bad: Vec<u64>,
    /// Lines in which the customer's name doesn't stand are passed over unread, and not called bad.
    passes_over: bool,
}

/// What stands where.
struct Columns {
    names: Vec<String>,
    /// How many fields a record has at least.
    fields_min: usize,
}

impl Columns {
    /// By the first line that isn't blank, and whether that is a header; `None` if it is one that doesn't do.
    fn of(first: Option<&[String]>, question: &Question) -> Option<(Self, bool)> {
        let first = first.unwrap_or_default();
        let times = |name: &str| first.iter().filter(|field| *field == name).count();
        if times("customer_id") == 0 || times("timestamp") == 0 {
            let names = RECORD.map(str::to_owned).to_vec();
            return Some((Self { names, fields_min: 4 }, false));
        }
        let is_lacking = question.event_type.is_some() && times("event_type") == 0;
        if is_lacking || RECORD.iter().any(|name| times(name) > 1) {
            return None;
        }
        let is_needed = |name: &String| *name == "customer_id" || *name == "timestamp";
        let fields_min = 1 + first.iter().rposition(is_needed)?;
        Some((Self { names: first.to_vec(), fields_min }, true))
    }

    /// Customer, event type and time of a record.
    fn event(&self, fields: &[String]) -> Option<(String, String, i64)> {
        if !(self.fields_min..=self.names.len()).contains(&fields.len()) {
            return None;
        }
        let field = |name: &str| {
            let at = self.names.iter().position(|own| own == name)?;
            Some(fields.get(at).cloned().unwrap_or_default())
        };
        if field("transaction_id").is_some_and(|id| id.is_empty()) {
            return None;
        }
        let nanos = timestamps::meant(field("timestamp")?.as_bytes(), false)?;
        Some((field("customer_id")?, field("event_type").unwrap_or_default(), nanos))
    }
}

impl Expected {
    /// `None` if the header doesn't do.
    fn of(file: &[u8], question: &Question) -> Option<Self> {
        let passes_over = question.customer.as_ref().is_some_and(|name| !name.is_empty());
        let mut expected = Self { passes_over, ..Self::default() };
        let mut columns: Option<Columns> = None;
        let text = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if line.iter().all(u8::is_ascii_whitespace) && line.len() <= LINE_BYTES_MAX {
                continue;
            }
            let fields = theirs(line.strip_suffix(b"\r").unwrap_or(line));
            if columns.is_none() {
                let (first, is_header) = Columns::of(fields.as_deref(), question)?;
                columns = Some(first);
                if is_header {
                    continue;
                }
            }
            match fields.and_then(|fields| columns.as_ref()?.event(&fields)) {
                Some(event) => expected.count(event, question),
                None => expected.bad.push(number),
            }
        }
        Some(expected)
    }

    fn count(&mut self, (customer, event_type, nanos): (String, String, i64), asked: &Question) {
        let (start, end) = (asked.interval.start().as_nanos(), asked.interval.end().as_nanos());
        let is_wanted = (start..end).contains(&nanos)
            && asked.customer.as_ref().is_none_or(|wanted| *wanted == customer)
            && asked.event_type.as_ref().is_none_or(|wanted| *wanted == event_type);
        if is_wanted {
            let hour = nanos.div_euclid(HOUR_NANOS) - start.div_euclid(HOUR_NANOS);
            let customers = self.hours.entry(hour).or_default();
            match customers.iter_mut().find(|(name, _)| *name == customer) {
                Some((_, count)) => *count += 1,
                None => customers.push((customer, 1)),
            }
        }
    }

    fn compare(&self, found: &[Bucket<'_>], bad: &BadLines, asked: &Question) {
        let (start, end) = (asked.interval.start().as_nanos(), asked.interval.end().as_nanos());
        let hours = if start == end {
            0
        } else {
            (end - 1).div_euclid(HOUR_NANOS) - start.div_euclid(HOUR_NANOS) + 1
        };
        assert_eq!(found.len() as i64, hours);
        for (hour, bucket) in (0..).zip(found) {
            let begin = (start.div_euclid(HOUR_NANOS) + hour) * HOUR_NANOS;
            assert_eq!(bucket.start.as_nanos(), begin);
            let counts: Vec<_> =
                bucket.counts.iter().map(|it| (it.customer.to_owned(), it.count)).collect();
            let nobody = || asked.customer.iter().map(|name| (name.clone(), 0)).collect();
            let expected = self.hours.get(&hour).cloned().unwrap_or_else(nobody);
            assert_eq!(counts, expected, "hour {hour}");
        }
        let named: Vec<u64> = bad.first.iter().map(|bad| bad.line).collect();
        if self.passes_over {
            assert!(named.iter().all(|line| self.bad.contains(line)), "{named:?}");
            return;
        }
        assert_eq!(bad.count, self.bad.len() as u64, "{:?}", bad.first);
        assert_eq!(named, self.bad[..self.bad.len().min(10)]);
    }
}

/// Files with a header and without, whose customers are few.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut columns: Vec<&str> = RECORD.to_vec();
    let mut text = String::new();
    if u.ratio(1, 10)? {
        text.push('\u{feff}');
    }
    if u.arbitrary()? {
        for _ in 0..u.int_in_range(0..=3)? {
            let at = u.int_in_range(0..=columns.len() - 1)?;
            match u.int_in_range(0..=3)? {
                0 if columns.len() > 2 => drop(columns.remove(at)),
                1 => columns.insert(at, *u.choose(&["more", "timestamp", "", "a\"b"])?),
                _ => columns.swap(0, at),
            }
        }
        text += &columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
        text += u.choose(&["\n", "\r\n", "\n \n"])?;
    }
    for _ in 0..u.int_in_range(0..=8)? {
        let mut fields = Vec::new();
        for column in &columns {
            let field = match *column {
                "timestamp" if u.ratio(2, 3)? => {
                    format!("2024-07-01T0{}:03:04Z", u.int_in_range(0..=9)?)
                }
                "timestamp" => String::from_utf8_lossy(&timestamps::generate(u)?).into_owned(),
                "customer_id" => (*u.choose(&["a", "a", "", "b,c", "d\"e", "é", "x"])?).to_owned(),
                "event_type" => (*u.choose(&["login", "login", "", "a"])?).to_owned(),
                _ => (*u.choose(&["t1", "t1", "{}", ""])?).to_owned(),
            };
            fields.push(if u.ratio(1, 20)? { field } else { quoted(&field) });
        }
        if u.ratio(1, 12)? {
            fields.truncate(u.int_in_range(0..=fields.len())?);
        }
        text += &fields.join(",");
        text += u.choose(&["\n", "\n", "\r\n", "\n\n", ""])?;
    }
    Ok(text.into_bytes())
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
