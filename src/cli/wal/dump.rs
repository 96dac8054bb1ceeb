//! `windrow wal dump`: batches and frames as they stand in the log.

mod json;

use std::io::Write;

use clap::Args;

use crate::cli::data::DataDir;
use crate::log::Lsn;
use crate::log::frame::{FrameAt, FrameKind, LineFormat};
use crate::log::scan::{Scan, Scanned};
use crate::log::walk::{Batch, SegmentFile};

/// Arguments of `windrow wal dump`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow wal dump --from 4096 --payload | less")]
pub struct Arguments {
    /// Begin with the batch that holds this address
    #[arg(long, value_name = "LSN", default_value = "0")]
    from: Lsn,
    /// End before the first batch at or behind this address
    #[arg(long, value_name = "LSN")]
    to: Option<Lsn>,
    /// Print what the frames hold, too
    #[arg(long)]
    payload: bool,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// Prints a line for each segment, batch and frame.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let log = data.log()?;
    let mut scan = match arguments.from {
        Lsn::ZERO => Scan::oldest(log),
        from => Scan::from(log, from)?,
    };
    loop {
        match scan.step()? {
            Scanned::Batch(batch) if arguments.to.is_some_and(|to| batch.header.lsn >= to) => {
                return Ok(());
            }
            Scanned::Segment(segment) if arguments.json => {
                writeln!(out, "{}", json::segment(&segment))?;
            }
            Scanned::Segment(segment) => print_segment(&segment, out)?,
            Scanned::Gap { from, to } if arguments.json => {
                writeln!(out, "{}", json::gap(from, to))?;
            }
            Scanned::Gap { from, to } => {
                writeln!(out, "gap      {from} to {to}, given up by `windrow wal repair`")?;
            }
            Scanned::Batch(batch) if arguments.json => {
                writeln!(out, "{}", json::batch(&batch))?;
                for frame in batch.frames() {
                    writeln!(out, "{}", json::frame(&batch, &frame?, arguments.payload))?;
                }
            }
            Scanned::Batch(batch) => print_batch(&batch, arguments.payload, out)?,
            Scanned::End { at, stop } => {
                let why = stop.map(|stop| stop.to_string());
                if arguments.json {
                    return Ok(writeln!(out, "{}", json::end(at, why.as_deref()))?);
                }
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                return Ok(writeln!(out, "end      {at}{why}")?);
            }
        }
    }
}

fn print_segment(segment: &SegmentFile, out: &mut impl Write) -> anyhow::Result<()> {
    let header = segment.header();
    writeln!(
        out,
        "segment  {} {} log {} salt {:016x} previous end {} previous crc {:08x}{}{}",
        header.first_lsn,
        segment.path().display(),
        header.log,
        header.salt,
        header.previous_end,
        header.previous_crc,
        if header.opened { " opened" } else { "" },
        if header.gap_accepted { " gap-accepted" } else { "" },
    )?;
    Ok(())
}

fn print_batch(batch: &Batch, payload: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let header = &batch.header;
    writeln!(
        out,
        "batch    {} {} bytes, {} frames, crc {:08x}, written {}{}",
        header.lsn,
        header.length_bytes,
        header.frames,
        header.crc,
        header.written,
        if header.frames == 0 { ", a seal" } else { "" },
    )?;
    for frame in batch.frames() {
        let frame = frame?;
        print_frame(batch, &frame, out)?;
        if payload {
            let bytes = batch.payload(&frame);
            out.write_all(&bytes)?;
            if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

fn print_frame(batch: &Batch, frame: &FrameAt, out: &mut impl Write) -> anyhow::Result<()> {
    let header = &frame.header;
    write!(out, "  frame  {} ", frame.lsn)?;
    match header.kind {
        FrameKind::Lines => {
            if header.format == LineFormat::Rejected {
                write!(out, "rejected ")?;
            }
            write!(
                out,
                "lines of request {}, stream {}, schema {}, arrived {}, seed {:016x}, {} events \
                 from event {} and line {} on, {} bytes",
                header.request.0,
                header.stream.0,
                header.schema.0,
                header.arrival,
                header.seed,
                header.events,
                header.first_event,
                header.first_line,
                header.payload_bytes,
            )?;
            if header.commit {
                write!(
                    out,
                    ", commit of {} events, {} rejected",
                    header.request_events, header.request_rejected
                )?;
            }
            if header.key_bytes > 0 {
                write!(out, ", key {}", String::from_utf8_lossy(batch.key(frame)).escape_debug())?;
            }
        }
        FrameKind::Schema => {
            write!(out, "schema {} of stream {}", header.schema.0, header.stream.0)?;
        }
        FrameKind::CloseWindow => write!(out, "close window of stream {}", header.stream.0)?,
        FrameKind::LostSchema => {
            write!(out, "lost: schema {} of stream {}", header.schema.0, header.stream.0)?;
        }
        FrameKind::Abort => write!(out, "abort of request {}", header.request.0)?,
    }
    writeln!(out)?;
    Ok(())
}
