//! JSON documents into the lines of their items, however they are cut, as `serde_json` reads them.

use arbitrary::{Result, Unstructured};
use serde_json::value::RawValue;
use windrow::ingest::{Encoding, Form, Items, Json, LineSource as _, Shape};

use crate::json::{self, Members};
use crate::memory;
use crate::pieces::{Pieces, drain};
use crate::subject::Subject;

/// Besides what is gathered of one member, its copies, and what the test gathers, lines are made 64 KiB
/// at a time.
const BESIDE_BYTES: usize = 512 << 10;
/// The member that holds the items.
const MEMBER: &str = "events";

#[test]
fn documents() {
    Subject { name: "documents", generate, check, entropy_bytes_max: 2048, cases: 4000 }.run();
}

fn check(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let some = Form::Member { name: MEMBER, items_max: 3 };
    let form = *u.choose(&[
        Form::One,
        Form::Data,
        Form::Array,
        Form::Member { name: MEMBER, items_max: 1000 },
        some,
    ])?;
    let read = |pieces: Pieces| {
        let mut items = Items::new(pieces.reader(Encoding::Identity, None), form);
        let (lines, error) = drain(&mut items);
        (lines, error.map(|error| error.to_string()))
    };
    let cut = Pieces::cut(body, u)?;
    let (lines, error) = memory::within(BESIDE_BYTES + 8 * body.len(), || read(cut));
    let whole = read(Pieces::whole(body));
    assert_eq!((&lines, &error), (&whole.0, &whole.1), "in one piece");
    let found = lines_of(&lines);
    match (error, items(body, form)) {
        (None, Some(items)) => assert_eq!(found, items),
        (Some(error), Some(_)) => panic!("it is a document, but: {error}"),
        (None, None) => {
            assert!(
                !found.iter().all(|line| is_json(line)),
                "it is no document, but its items are"
            );
        }
        (Some(_), None) => {}
    }
    array_or_lines(body, u)
}

/// A body that may be an array is read as one, or handed on to the byte.
fn array_or_lines(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let mut either = Json::new(Pieces::cut(body, u)?.reader(Encoding::Identity, None));
    let (lines, error) = drain(&mut either);
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if text.trim_ascii_start().first() == Some(&b'[') && !text.contains(&b'\x0c') {
        assert_eq!(either.shape(), Shape::Events);
        let mut array =
            Items::new(Pieces::whole(body).reader(Encoding::Identity, None), Form::Array);
        let (expected, fault) = drain(&mut array);
        assert_eq!(lines, expected);
        assert_eq!(error.map(|e| e.to_string()), fault.map(|e| e.to_string()));
    } else if !body.contains(&b'[') {
        assert_eq!((either.shape(), error.map(|e| e.to_string())), (Shape::Lines, None));
        assert_eq!(lines, body);
    }
    Ok(())
}

/// Each with its end taken off; the last may have none.
fn lines_of(lines: &[u8]) -> Vec<Vec<u8>> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()).collect()
}

fn is_json(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| serde_json::from_str::<&RawValue>(line).is_ok())
}

/// The items of a document, if it is one.
pub fn items(body: &[u8], form: Form) -> Option<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let array = |text: &str| -> Option<Vec<Box<RawValue>>> { serde_json::from_str(text).ok() };
    let items = match form {
        Form::Data if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() => Vec::new(),
        Form::One | Form::Data => vec![serde_json::from_str::<Box<RawValue>>(text).ok()?],
        Form::Array => array(text)?,
        Form::Member { name, items_max } => {
            let Members(members) = serde_json::from_str(text).ok()?;
            let mut arrays = members.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
            let items = array(arrays.next()?.get())?;
            let fits = (1..=items_max).contains(&(items.len() as u64));
            (fits && arrays.next().is_none()).then_some(items)?
        }
    };
    Some(items.iter().map(|item| on_one_line(item.get())).collect())
}

/// Line ends stand only between the parts of a well-formed value: they are spaces, too.
fn on_one_line(item: &str) -> Vec<u8> {
    item.replace(['\n', '\r'], " ").into_bytes()
}

fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mark = if u.ratio(1, 10)? { "\u{feff}" } else { "" };
    let space = *u.choose(&["", "", "\n", " \r\n\t"])?;
    let items: Result<Vec<_>> = (0..u.int_in_range(0..=4)?).map(|_| json::value(u, 2)).collect();
    let items = format!("[{space}{}{space}]", items?.join(u.choose(&[",", ",", " ,\n", ",,"])?));
    let document = match u.int_in_range(0..=4)? {
        0 => json::value(u, 3)?,
        1 => items,
        2 => format!("{{\"{MEMBER}\":{items}}}"),
        3 => {
            let (before, behind) = (json::value(u, 2)?, json::value(u, 2)?);
            let name = u.choose(&[MEMBER, MEMBER, "ev\\u0065nts", "Events", "\\ud800"])?;
            format!(
                "{{{space}\"a\":{before},\"{name}\"{space}:{items},{}:{behind}}}",
                json::string(u)?
            )
        }
        _ => json::object(u, 2, &[MEMBER, MEMBER, "source"])?,
    };
    let behind = *u.choose(&["", "", "", "\n", ",", "{}", " 1"])?;
    Ok(format!("{mark}{space}{document}{space}{behind}").into_bytes())
}
