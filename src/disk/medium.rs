//! What a directory lies on, for a warning at start.
//!
//! windrow's promises rest on a disk that keeps what it has synced. A file system in memory and a
//! container's own layer don't outlive what they belong to, and over NFS locks and syncs are the
//! server's word. None of them is refused: a test, or somebody who knows better, may want just that.

use std::fmt;
use std::io;
use std::path::Path;

/// What a directory lies on, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Nothing is known against it.
    Disk,
    /// Memory: gone when the machine restarts.
    Memory,
    /// NFS, SMB and the like: another machine's disk.
    Network,
    /// The container's own layer: gone when the container is.
    Container,
}

impl Medium {
    /// What the directory, which must exist, lies on.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let directory = directory.canonicalize()?;
        let by_type = by_file_system(&directory)?;
        // Not every storage driver for containers is an overlay: whatever isn't mounted from
        // outside is the container's own.
        if by_type == Self::Disk && in_container() && mounted_with_root(&directory) {
            return Ok(Self::Container);
        }
        Ok(by_type)
    }

    /// What to warn of, as the end of a sentence that names the directory; `None` for a disk.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Disk => None,
            Self::Memory => Some(
                "lies in memory (tmpfs): everything acknowledged is gone when the machine restarts",
            ),
            Self::Network => Some(
                "lies on a network file system: whether a sync is one, and a lock holds, is the server's word",
            ),
            Self::Container => Some(
                "lies in the container's own layer: everything acknowledged is gone when the container is removed; mount a volume there",
            ),
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Container => "container",
        })
    }
}

/// By the magic numbers of statfs(2) and `linux/magic.h`.
#[cfg(target_os = "linux")]
fn by_file_system(directory: &Path) -> io::Result<Medium> {
    // The field's type differs between architectures; the numbers are 32 bits on all of them.
    Ok(match rustix::fs::statfs(directory)?.f_type as u32 {
        0x0102_1994 /* tmpfs */ | 0x8584_58f6 /* ramfs */ => Medium::Memory,
        0x6969 /* NFS */ | 0xff53_4d42 /* CIFS */ | 0xfe53_4d42 /* SMB2 */ | 0x517b /* SMB */
        | 0x0102_1997 /* 9P */ | 0x00c3_6400 /* Ceph */ | 0x5346_414f /* AFS */ => Medium::Network,
        0x794c_7630 /* overlayfs */ | 0x6175_6673 /* aufs */ => Medium::Container,
        _ => Medium::Disk,
    })
}

#[cfg(target_os = "macos")]
fn by_file_system(directory: &Path) -> io::Result<Medium> {
    let name = rustix::fs::statfs(directory)?.f_fstypename;
    let name: Vec<u8> = name.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    Ok(match name.as_slice() {
        b"tmpfs" => Medium::Memory,
        b"nfs" | b"smbfs" | b"afpfs" | b"webdav" => Medium::Network,
        _ => Medium::Disk,
    })
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn by_file_system(_: &Path) -> io::Result<Medium> {
    Ok(Medium::Disk)
}

/// Docker and Podman each leave a file that says so.
fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
}

/// Whether nothing but the root is mounted above `directory`.
fn mounted_with_root(directory: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_point_of(directory, &mounts).is_some_and(|point| point == Path::new("/"))
}

/// The longest mount point above `directory`: by `proc_pid_mountinfo(5)` the fifth
/// field is the mount point, with spaces and the like as octal escapes.
fn mount_point_of(directory: &Path, mounts: &str) -> Option<std::path::PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    points
        .filter(|point| directory.starts_with(point))
        .max_by_key(|point| point.components().count())
}

fn unescape(point: &str) -> std::path::PathBuf {
    let mut path = String::with_capacity(point.len());
    let mut rest = point;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        rest = match code {
            Some(code) => {
                path.push(char::from(code));
                &after[3..]
            }
            None => after,
        };
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 254:2 / /data rw - ext4 /dev/vdb rw
31 30 254:3 / /data/my\\040disk rw - xfs /dev/vdc rw";

    #[test]
    fn the_longest_mount_point_above_a_directory_is_its_own() {
        let point = |path| mount_point_of(Path::new(path), MOUNTS).unwrap();
        assert_eq!(point("/var/lib"), Path::new("/"));
        assert_eq!(point("/data/windrow"), Path::new("/data"));
        assert_eq!(point("/database"), Path::new("/"));
        assert_eq!(point("/data/my disk/x"), Path::new("/data/my disk"));
        assert_eq!(mount_point_of(Path::new("/x"), ""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn shared_memory_is_memory() {
        let shared = Path::new("/dev/shm");
        if shared.is_dir() {
            assert_eq!(Medium::of(shared).unwrap(), Medium::Memory);
        }
    }

    #[test]
    fn whatever_is_warned_of_says_what_is_lost() {
        assert_eq!(Medium::Disk.warning(), None);
        for medium in [Medium::Memory, Medium::Network, Medium::Container] {
            assert!(medium.warning().is_some(), "{medium}");
        }
    }
}
