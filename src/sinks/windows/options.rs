//! What a stream's configuration says about its windows.

use std::time::Duration;

/// How a stream's events are cut into windows and what becomes of the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowsOptions {
    /// How much event time a window covers; more than zero.
    pub length: Duration,
    /// Where windows begin.
    pub anchor: Anchor,
    /// Whether files begin with a row of column names.
    pub header: bool,
    /// How far past a window's end an event must be to close it.
    pub lateness: Duration,
    /// Without an event for so long, the open window is closed.
    pub idle_close: Option<Duration>,
    /// Which committed files stay; without it, all of them.
    pub keep: Option<Keep>,
    /// What to call for each committed file.
    pub on_commit: Option<OnCommit>,
}

impl WindowsOptions {
    /// Windows of one stream that may be open at once: with `lateness`, one for each `length` in it.
    /// Each is an open file and an entry in every checkpoint, so there must be a bound; 64 windows
    /// make a checkpoint of some 16 KiB.
    pub const OPEN_MAX: u32 = 64;

    /// Checks what the types can't say. The error is one sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if self.length.is_zero() {
            return Err("`windows.length` must be more than zero".into());
        }
        if u64::try_from(self.length.as_nanos()).is_err() {
            return Err("`windows.length` must be at most 584 years".into());
        }
        // Besides those that wait for late events there are the newest one and the one that closes.
        let lateness_max = self.length.saturating_mul(Self::OPEN_MAX - 2);
        if self.lateness > lateness_max {
            return Err(format!(
                "`windows.lateness` must be at most {} times `windows.length`: \
                 each window that waits for late events is an open file",
                Self::OPEN_MAX - 2
            ));
        }
        if self.idle_close.is_some_and(|after| after.is_zero()) {
            return Err("`windows.idle_close` must be more than zero".into());
        }
        Ok(())
    }
}

impl Default for WindowsOptions {
    fn default() -> Self {
        Self {
            length: Duration::from_mins(5),
            anchor: Anchor::FirstEvent,
            header: true,
            lateness: Duration::ZERO,
            idle_close: None,
            keep: None,
            on_commit: None,
        }
    }
}

/// Where a window begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anchor {
    /// At the first event that no window covers.
    #[default]
    FirstEvent,
    /// At whole lengths after the stream's very first event.
    Grid,
    /// At whole lengths after 1970-01-01T00:00:00Z.
    Epoch,
}

/// Which committed files stay. Files go oldest commit first, and never before `on_commit` has
/// succeeded for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// For so long after their commit.
    For(Duration),
    /// As many of the newest as fit into so many bytes.
    Bytes(u64),
}

/// What to call for each committed file, at least once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnCommit {
    /// A command line for `sh -c`, with the file in `WINDROW_FILE` and the manifest's record on
    /// standard input. It has succeeded when it exits with 0.
    Command(String),
    /// An `http://` URL that takes the manifest's record as the JSON body of a POST. It has
    /// succeeded when the answer is 2xx.
    Url(String),
}

impl std::str::FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "first-event" => Ok(Self::FirstEvent),
            "grid" => Ok(Self::Grid),
            "epoch" => Ok(Self::Epoch),
            other => Err(format!("expected `first-event`, `grid` or `epoch`, found `{other}`")),
        }
    }
}

impl std::str::FromStr for OnCommit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("https://") {
            return Err("expected a command or an `http://` URL: this build calls no `https://` \
                        ones, but a command such as `curl` can"
                .into());
        }
        match text.trim() {
            "" => Err("expected a command or an `http://` URL, found nothing".into()),
            url if url.starts_with("http://") => Ok(Self::Url(url.into())),
            command => Ok(Self::Command(command.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_bounded_by_the_files_it_keeps_open() {
        let length = Duration::from_secs(1);
        let with = |lateness| WindowsOptions { length, lateness, ..WindowsOptions::default() };
        assert_eq!(with(Duration::from_secs(62)).validate(), Ok(()));
        assert!(with(Duration::from_secs(63)).validate().is_err());
    }

    #[test]
    fn a_url_is_told_from_a_command() {
        let parsed = |text: &str| text.parse::<OnCommit>();
        assert_eq!(parsed("http://h/x"), Ok(OnCommit::Url("http://h/x".into())));
        assert_eq!(
            parsed("cp $WINDROW_FILE /x"),
            Ok(OnCommit::Command("cp $WINDROW_FILE /x".into()))
        );
        assert!(parsed("https://h/x").is_err() && parsed(" ").is_err());
    }
}
