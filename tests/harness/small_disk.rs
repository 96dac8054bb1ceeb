//! A small file system, for what a full one does.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use super::say;

/// A small file system of its own; unmounted when dropped.
pub struct SmallDisk {
    at: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and said, where this process may not mount one.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "windrow-test"])
            .arg(at.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { at }),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                say(&format!("SKIPPED: no small file system could be mounted: {reason}"));
                None
            }
            Err(error) => {
                say(&format!("SKIPPED: mount can't be run: {error}"));
                None
            }
        }
    }

    /// A data directory on it, not made yet.
    pub fn data(&self) -> PathBuf {
        self.at.path().join("data")
    }

    /// Takes so much of it away.
    pub fn fill(&self, mebibytes: u64) -> PathBuf {
        let path = self.at.path().join("filler");
        let file = File::create(&path).unwrap();
        fs2::FileExt::allocate(&file, mebibytes << 20).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.at.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            say(&format!("{} stays mounted", self.at.path().display()));
        }
    }
}
