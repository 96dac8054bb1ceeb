//! A small file system, for what a full one does.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::say;

/// Where the programs are that make file systems: not on everybody's path.
const SYSTEM: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// A small file system of its own; unmounted when dropped.
pub struct SmallDisk {
    at: tempfile::TempDir,
    /// What it is kept in, if that is a file.
    _image: Option<tempfile::NamedTempFile>,
}

impl SmallDisk {
    /// In memory. `None`, and said, where this process may not mount one.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let size = format!("size={mebibytes}m");
        Self::mounted(&["-t", "tmpfs", "-o", &size, "windrow-test"], None)
    }

    /// The same, of a file system as disks have them: ext4, in a file.
    pub fn mount_ext4(mebibytes: u32) -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(u64::from(mebibytes) << 20).unwrap();
        let path = image.path().to_str().unwrap().to_owned();
        // Nothing is set aside for root, which the test may be.
        let made =
            Command::new("mkfs.ext4").args(["-q", "-m", "0", &path]).env("PATH", SYSTEM).output();
        if !made.is_ok_and(|output| output.status.success()) {
            say("SKIPPED: mkfs.ext4 can't make a file system");
            return None;
        }
        Self::mounted(&["-o", "loop", &path], Some(image))
    }

    fn mounted(arguments: &[&str], image: Option<tempfile::NamedTempFile>) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        match Command::new("mount").args(arguments).arg(at.path()).output() {
            Ok(output) if output.status.success() => Some(Self { at, _image: image }),
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

impl SmallDisk {
    /// Takes all of it away, to the last byte.
    pub fn fill_up(&self) -> PathBuf {
        let path = self.at.path().join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
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
