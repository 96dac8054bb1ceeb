//! Changing the file of tokens: there is always the old one or the new one, whole.
//!
//! The new one is written beside it, synced, and renamed over it, and the directory is synced. Two who
//! change it at a time wait for each other by a lock on the file; who has waited looks whether it is still
//! the file of that name. The new one keeps the owner of the old one, which is the daemon's user and
//! maybe not ours.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::file::{Line, TokenFile, TokenFileError};
use super::grant::Grant;
use super::scope::Scopes;
use super::streams::Streams;
use super::token::{Token, TokenDigest, TokenId};
use crate::time::Timestamp;

/// Of a new file: its owner's alone.
const MODE: u32 = 0o600;
/// What an older file's mode may have besides: a group that reads, which is how a daemon with a user of
/// its own gets at it.
const MODE_KEPT: u32 = 0o640;

/// Makes a token and adds it to the file at `path`, which is made if there is none. The text of the token
/// is nowhere else.
pub fn add(
    path: &Path,
    name: Option<String>,
    scopes: Scopes,
    streams: Streams,
) -> Result<(Grant, Token), TokenFileError> {
    let locked = Locked::open(path, true)?;
    let (id, token) = Token::make().map_err(TokenFileError::io("making a token for", path))?;
    let sha256 = TokenDigest::of(token.text().as_bytes());
    let created = Some(this_second().to_string());
    let grant = Grant { id, name, scopes, streams, created, sha256 };
    let text = serde_json::to_string(&grant).map_err(io::Error::other);
    let text = text.map_err(TokenFileError::io("writing", path))?;
    let mut file = locked.read()?;
    file.0.push(Line { text, grant: Some(grant.clone()) });
    locked.replace(&file)?;
    Ok((grant, token))
}

/// Nobody wants to know it any better.
fn this_second() -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let now = Timestamp::now().as_nanos();
    Timestamp::from_nanos(now - now.rem_euclid(SECOND))
}

/// Removes the token with this id, or the only one with this name.
pub fn revoke(path: &Path, which: &str) -> Result<Grant, TokenFileError> {
    let locked = Locked::open(path, false)?;
    let mut file = locked.read()?;
    let id = found(&file, path, which)?;
    let at = file.0.iter().position(|line| line.grant.as_ref().is_some_and(|it| it.id == id));
    let removed = at.and_then(|at| file.0.remove(at).grant);
    locked.replace(&file)?;
    removed.ok_or_else(|| no_such(path, which))
}

/// The id of the token that is meant.
fn found(file: &TokenFile, path: &Path, which: &str) -> Result<TokenId, TokenFileError> {
    let grants = || file.0.iter().filter_map(|line| line.grant.as_ref());
    if let Some(grant) = grants().find(|grant| grant.id.to_string() == which) {
        return Ok(grant.id);
    }
    let named: Vec<_> = grants().filter(|grant| grant.name.as_deref() == Some(which)).collect();
    match named.as_slice() {
        [] => Err(no_such(path, which)),
        [grant] => Ok(grant.id),
        several => Err(TokenFileError::Ambiguous {
            path: path.to_owned(),
            which: which.to_owned(),
            count: several.len(),
        }),
    }
}

fn no_such(path: &Path, which: &str) -> TokenFileError {
    TokenFileError::NoSuch { path: path.to_owned(), which: which.to_owned() }
}

/// The file, as long as nobody else changes it.
struct Locked {
    /// Its own path: where a link leads.
    path: PathBuf,
    file: File,
}

impl Locked {
    fn open(path: &Path, make: bool) -> Result<Self, TokenFileError> {
        loop {
            let file = OpenOptions::new().read(true).write(true).create(make).mode(MODE).open(path);
            let file = file.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound if make => {
                    TokenFileError::NoDirectory { path: path.to_owned() }
                }
                _ => TokenFileError::io("opening", path)(error),
            })?;
            file.lock().map_err(TokenFileError::io("locking", path))?;
            let path = path.canonicalize().map_err(TokenFileError::io("opening", path))?;
            if is_at(&file, &path).map_err(TokenFileError::io("opening", &path))? {
                return Ok(Self { path, file });
            }
        }
    }

    fn read(&self) -> Result<TokenFile, TokenFileError> {
        TokenFile::read(&self.file, &self.path)
    }

    /// Puts `content` in the file's place.
    fn replace(&self, content: &TokenFile) -> Result<(), TokenFileError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let written = self.write(&beside, content).and_then(|()| {
            fs::rename(&beside, &self.path).map_err(TokenFileError::io("replacing", &self.path))
        });
        if let Err(error) = written {
            // Nobody needs it any more, and the next one to write it would remove it, too.
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(TokenFileError::io("syncing the directory of", &self.path))
    }

    fn write(&self, beside: &Path, content: &TokenFile) -> Result<(), TokenFileError> {
        let failed = |doing| TokenFileError::io(doing, beside);
        let old = self.file.metadata().map_err(failed("reading"))?;
        // Left behind by a crash; whoever writes one now has the lock, and that is us.
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replacing")(error));
            }
            _ => {}
        }
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(beside)
            .map_err(failed("creating"))?;
        let found = new.metadata().map_err(failed("reading"))?;
        if (found.uid(), found.gid()) != (old.uid(), old.gid())
            && fchown(&new, Some(old.uid()), Some(old.gid())).is_err()
        {
            return Err(TokenFileError::OfAnother { path: self.path.clone(), owner: old.uid() });
        }
        let mode = old.mode() & MODE_KEPT | MODE;
        new.set_permissions(Permissions::from_mode(mode)).map_err(failed("protecting"))?;
        new.write_all(content.text().as_bytes()).map_err(failed("writing"))?;
        new.sync_all().map_err(failed("syncing"))
    }
}

/// Whether `file` is what `path` names.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(named) => {
            let own = file.metadata()?;
            Ok((own.dev(), own.ino()) == (named.dev(), named.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::file::read;
    use super::*;

    fn make(path: &Path, name: Option<&str>) -> (Grant, Token) {
        let (scopes, streams) = ("read".parse().unwrap(), Streams::All);
        add(path, name.map(str::to_owned), scopes, streams).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_token_is_added_as_its_digest_to_a_file_of_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let (grant, token) = make(&path, Some("a"));
        assert_eq!(mode(&path), 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(token.text()) && text.contains(&String::from(grant.sha256)));
        assert!(grant.sha256.is(&TokenDigest::of(token.text().as_bytes())));
        make(&path, None);
        assert!(fs::read_to_string(&path).unwrap().starts_with(&text));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_token_is_revoked_by_its_id_or_its_name_and_the_rest_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        fs::write(&path, "# mine\n").unwrap();
        let [a, b, b2, c] = ["a", "b", "b", "c"].map(|name| make(&path, Some(name)).0);
        assert_eq!(revoke(&path, "a").unwrap().id, a.id);
        assert!(matches!(revoke(&path, "b"), Err(TokenFileError::Ambiguous { count: 2, .. })));
        revoke(&path, &b2.id.to_string()).unwrap();
        assert!(matches!(revoke(&path, "a"), Err(TokenFileError::NoSuch { .. })));
        let left: Vec<_> = read(&path).unwrap().iter().map(|grant| grant.id).collect();
        assert_eq!(left, [b.id, c.id]);
        assert!(fs::read_to_string(&path).unwrap().starts_with("# mine\n"));
        let missing = revoke(&dir.path().join("none"), "a");
        assert!(matches!(missing, Err(TokenFileError::Missing { .. })));
    }

    #[test]
    fn a_group_keeps_reading_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let [path, link] = ["tokens", "link"].map(|name| dir.path().join(name));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        make(&link, None);
        assert_eq!(mode(&path), 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_crash_leaves_nothing_that_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        make(&path, None);
        fs::write(dir.path().join("tokens.new"), "half a li").unwrap();
        make(&path, None);
        assert_eq!(read(&path).unwrap().len(), 2);
        assert!(!dir.path().join("tokens.new").exists());
    }

    #[test]
    fn a_file_stays_its_owners() {
        const DAEMON: u32 = 10_001;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        make(&path, None);
        std::os::unix::fs::chown(&path, Some(DAEMON), Some(DAEMON)).unwrap();
        make(&path, None);
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid(), mode(&path)), (DAEMON, DAEMON, 0o600));
    }

    #[test]
    fn of_many_who_add_at_a_time_no_token_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let made: BTreeSet<TokenId> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| [(); 5].map(|()| make(&path, None).0.id))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let held: BTreeSet<_> = read(&path).unwrap().iter().map(|grant| grant.id).collect();
        assert_eq!((held.len(), &held), (40, &made));
    }

    #[test]
    fn a_file_that_is_none_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        fs::write(&path, "precious\n").unwrap();
        let refused = add(&path, None, "read".parse().unwrap(), Streams::All);
        assert!(matches!(refused, Err(TokenFileError::BadLine { line: 1, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n");
    }
}
