//! Other input made of good input: what transmission, disks and hands do to a text.

use arbitrary::{Result, Unstructured};

/// Bytes that mean something to some reader.
const TELLING: &[u8] = b"\0\t\n\r \"',:;[]{}\\/+-.0129eEuTZz#=&%\x1f\x7f\x80\xc3\xed\xef\xf0\xff";
/// No more edits than this are made at once: of more, noise comes.
const EDITS_MAX: usize = 4;

/// One of `inputs`, with some edits; `None` if there are none.
pub fn of(inputs: &[Vec<u8>], u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    if inputs.is_empty() {
        return Ok(None);
    }
    let mut input = u.choose(inputs)?.clone();
    for _ in 0..u.int_in_range(1..=EDITS_MAX)? {
        edit(&mut input, inputs, u)?;
    }
    Ok(Some(input))
}

fn edit(input: &mut Vec<u8>, others: &[Vec<u8>], u: &mut Unstructured<'_>) -> Result<()> {
    let at = u.int_in_range(0..=input.len())?;
    let end = u.int_in_range(at..=input.len().min(at + 16))?;
    match u.int_in_range(0..=7)? {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << u.int_in_range(0..=7)?;
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = *u.choose(TELLING)?;
            }
        }
        2 => input.insert(at, *u.choose(TELLING)?),
        3 => input.insert(at, u.arbitrary()?),
        4 => drop(input.drain(at..end)),
        5 => input.truncate(at),
        6 => {
            let twice = input[at..end].to_vec();
            input.splice(at..at, twice);
        }
        _ => {
            let other = u.choose(others)?;
            let from = u.int_in_range(0..=other.len())?;
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
    Ok(())
}
