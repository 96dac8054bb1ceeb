//! Server-sent events as they come (WHATWG HTML, section 9.2.6), cut in whatever pieces.

/// The longest event that is held: a line of the daemon's greatest length, and what stands around it.
const EVENT_BYTES_MAX: usize = 80 << 20;

/// An event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// What it is called, if it isn't an ordinary one.
    pub name: String,
    /// What it says.
    pub data: Vec<u8>,
}

/// Reads events out of what comes.
#[derive(Debug, Default)]
pub struct Events {
    /// What has come of a line that isn't complete.
    line: Vec<u8>,
    /// What has come of an event that isn't complete.
    event: Event,
    has_data: bool,
    /// The id that holds once the event is complete.
    next_id: Vec<u8>,
    last_id: Vec<u8>,
    /// The line before ended with a carriage return: a line feed that follows is a part of its end.
    after_return: bool,
}

/// What came is no event that could be held.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub struct TooLong;

impl Events {
    /// The id of the last event that was complete, for who comes back; empty before the first.
    pub fn last_id(&self) -> &[u8] {
        &self.last_id
    }

    /// The connection broke: what wasn't complete never came.
    pub fn begin_again(&mut self) {
        *self = Self {
            next_id: self.last_id.clone(),
            last_id: std::mem::take(&mut self.last_id),
            ..Self::default()
        };
    }

    /// Takes the next piece of what comes, up to the end of the first event that is complete. The event, and how
    /// much of the piece that took.
    pub fn take(&mut self, piece: &[u8]) -> Result<(Option<Event>, usize), TooLong> {
        let mut taken = 0;
        while let Some(&byte) = piece.get(taken) {
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                taken += 1;
                continue;
            }
            let rest = &piece[taken..];
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.append(rest)?;
                return Ok((None, piece.len()));
            };
            self.append(&rest[..end])?;
            self.after_return = rest[end] == b'\r';
            taken += end + 1;
            if let Some(event) = self.end_line() {
                return Ok((Some(event), taken));
            }
        }
        Ok((None, taken))
    }

    fn append(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.event.data.len() + part.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// A line is complete: the event, if that was its end.
    fn end_line(&mut self) -> Option<Event> {
        if self.line.is_empty() {
            self.last_id.clone_from(&self.next_id);
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let colon = self.line.iter().position(|byte| *byte == b':').unwrap_or(self.line.len());
        let (field, value) = (&self.line[..colon], self.line.get(colon + 1..).unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.next_id = value.to_vec(),
            // A comment, or something that nobody needs here.
            _ => {}
        }
        self.line.clear();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "retry: 1000\nid: 1\n\n: comment\r\nid: 2\r\ndata: {\"a\":1}\r\n\r\nid:3\rdata:x\rdata\rdata: y\r\r\
                        : still here\nid: 4\n\nevent: end\ndata: bye\n\nid: 5\ndata: half";

    /// All events of pieces of this length, each with the id that holds behind it.
    fn read(length: usize) -> (Vec<(Event, String)>, Events) {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for mut piece in TEXT.as_bytes().chunks(length) {
            while !piece.is_empty() {
                let (event, taken) = events.take(piece).unwrap();
                piece = &piece[taken..];
                let id = String::from_utf8(events.last_id().to_vec()).unwrap();
                found.extend(event.map(|event| (event, id)));
            }
        }
        (found, events)
    }

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        let event = |name: &str, data: &str, id: &str| {
            (Event { name: name.to_owned(), data: data.into() }, id.to_owned())
        };
        let expected =
            [event("", "{\"a\":1}", "2"), event("", "x\n\ny", "3"), event("end", "bye", "4")];
        for length in 1..=TEXT.len() {
            assert_eq!(read(length).0, expected, "{length}");
        }
    }

    #[test]
    fn half_an_event_never_came() {
        let mut events = read(7).1;
        events.begin_again();
        assert_eq!(events.last_id(), b"4");
        let (event, _) = events.take(b"data: whole\n\n").unwrap();
        assert_eq!(event.unwrap().data, b"whole");
        assert_eq!(events.last_id(), b"4");
    }
}
