//! Where connections come from: a TCP address or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::Listen;

/// Connections that the kernel holds for us until we accept them; it may hold fewer.
const BACKLOG: u32 = 4096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener, SocketAddr),
    /// A Unix socket. Its file is removed at the end.
    Unix(UnixListener, UnixPath),
}

/// The file of a Unix socket.
#[derive(Debug)]
pub struct UnixPath {
    path: PathBuf,
    file: (u64, u64),
}

/// Why a socket can't be bound, in one sentence with what to do.
#[derive(thiserror::Error, Debug)]
pub enum BindError {
    /// Another process has it.
    #[error(
        "{address} is in use by another process: stop that one, or choose another address with \
         `--listen`"
    )]
    InUse {
        /// The address.
        address: String,
    },
    /// Something else.
    #[error("can't listen on {address}: {source}; choose another address with `--listen`")]
    Other {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Binds it.
    pub async fn bind(listen: &Listen) -> Result<Self, BindError> {
        let (address, bound) = match listen {
            Listen::Tcp(address) => (address.to_string(), bind_tcp(*address)),
            Listen::Unix(path) => (format!("unix:{}", path.display()), bind_unix(path).await),
        };
        bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Other { address, source },
        })
    }
}

/// As it is announced and as a client writes it.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => address.fmt(f),
            Self::Unix(_, at) => write!(f, "unix:{}", at.path.display()),
        }
    }
}

impl UnixPath {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: identity(path)? })
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        // Somebody may have taken the name over. Left behind, the file is in nobody's way: the next one to
        // bind it removes it.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file stands at this path: its device and number.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(Listener::Tcp(listener, address))
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    match std::fs::symlink_metadata(path) {
        // A killed process leaves its socket's file behind. Any other answer than that nobody listens may
        // be that of somebody who does, and is only busy or not for us to talk to.
        Ok(found) if found.file_type().is_socket() => {
            let asked = tokio::net::UnixStream::connect(path).await;
            if asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(_) => return Err(io::Error::other("a file that is no socket stands there")),
        // Whatever is wrong with the path, binding says.
        Err(_) => {}
    }
    Ok(Listener::Unix(UnixListener::bind(path)?, UnixPath::of(path)?))
}
