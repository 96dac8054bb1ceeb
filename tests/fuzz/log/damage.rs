//! What happens to a log's files.

use std::path::{Path, PathBuf};

use arbitrary::{Result, Unstructured};
use windrow::disk::{Disk as _, SimDisk};

use crate::log_driver::segments;

const PAGE_BYTES: usize = 4096;

/// Does up to three things to the files on `disk`, or nothing.
pub fn of(disk: &SimDisk, u: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..u.int_in_range(0..=3)? {
        let paths = segments(disk);
        if paths.is_empty() {
            return Ok(());
        }
        let (path, other) = (u.choose(&paths)?.clone(), u.choose(&paths)?.clone());
        one(disk, &path, &other, u)?;
    }
    Ok(())
}

fn one(disk: &SimDisk, path: &PathBuf, other: &Path, u: &mut Unstructured<'_>) -> Result<()> {
    let mut bytes = disk.contents(path).unwrap();
    let others = disk.contents(other).unwrap();
    let at = place(&bytes, u)?;
    match u.int_in_range(0..=11)? {
        0..=3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << u.int_in_range(0..=7)?;
            }
        }
        4 => {
            let end = bytes.len().min(at + u.int_in_range(1..=2 * PAGE_BYTES)?);
            bytes[at..end].fill(*u.choose(&[0, 0, 0xff])?);
        }
        5 => bytes[at..].fill(0),
        6 => bytes.truncate(at),
        7 | 8 => {
            // Pages that were read from, or written to, the wrong place.
            let (from, to) = (page(&others, u)?, page(&bytes, u)?);
            let pages = u.int_in_range(1..=4)? * PAGE_BYTES;
            let length = pages.min(others.len() - from).min(bytes.len() - to);
            bytes[to..to + length].copy_from_slice(&others[from..from + length]);
        }
        9 => {
            // The two have changed places.
            disk.install(other, &bytes);
            bytes = others;
        }
        10 => {
            disk.remove_file(path).unwrap();
            return Ok(());
        }
        _ => {
            let noise: Vec<u8> = u.arbitrary()?;
            let length = noise.len().min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&noise[..length]);
        }
    }
    disk.install(path, &bytes);
    Ok(())
}

/// Where something is: mostly in a header of the segment, a batch or a frame.
fn place(bytes: &[u8], u: &mut Unstructured<'_>) -> Result<usize> {
    let within = if u.ratio(3, 4)? { 200 } else { PAGE_BYTES - 1 };
    Ok((page(bytes, u)? + u.int_in_range(0..=within)?).min(bytes.len()))
}

/// The beginning of a page that isn't empty, or of the one behind.
fn page(bytes: &[u8], u: &mut Unstructured<'_>) -> Result<usize> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last / PAGE_BYTES + 1);
    Ok((u.int_in_range(0..=used)? * PAGE_BYTES).min(bytes.len()))
}
