//! Who may reach the daemon: its tokens, and what to say of it at the start.

use std::path::Path;
use std::sync::Arc;

use crate::cli::WrongUsage;
use crate::config::{Config, Listen};
use crate::metrics::Metrics;
use crate::server::auth::Guard;

/// The guard of the tokens that are configured, if any are.
pub(super) fn guard(config: &Config, metrics: &Metrics) -> anyhow::Result<Option<Arc<Guard>>> {
    let rate = config.limits.requests_per_second;
    let Some(path) = &config.access.tokens else {
        warn_of_strangers(config);
        if rate.is_some() {
            tracing::warn!(
                "`limits.rate` is set and has no effect: it is per token, and there are none"
            );
        }
        return Ok(None);
    };
    // Trying again won't help: somebody must mend the file, or name another.
    if is_beyond_this_machine(&config.listen) && config.tls.is_none() {
        tracing::warn!(
            "tokens are sent without encryption, for whoever is on the way to read: set `tls.cert` and \
             `tls.key`, or let a proxy in front speak TLS"
        );
    }
    let guard = Guard::open(path, rate, metrics).map_err(|error| WrongUsage(error.to_string()))?;
    warn_of_tokens(config, path, &guard);
    Ok(Some(Arc::new(guard)))
}

/// Without tokens, the address is all that keeps others out, or that they need a certificate.
fn warn_of_strangers(config: &Config) {
    let has_client_ca = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if is_beyond_this_machine(&config.listen) && !has_client_ca {
        tracing::warn!(
            address = %config.listen,
            "NO TOKENS: everybody who reaches this address can send and read everything. Make a token \
             with `windrow token new --file tokens --scopes ingest,read` and set `tokens`, or listen on \
             127.0.0.1"
        );
    }
}

/// Whether others than this machine's users may reach the address.
fn is_beyond_this_machine(listen: &Listen) -> bool {
    match listen {
        Listen::Tcp(_) => !listen.is_loopback(),
        Listen::Unix(_) => false,
    }
}

/// Says what is odd about tokens, and may well be meant so.
fn warn_of_tokens(config: &Config, path: &Path, guard: &Guard) {
    use std::os::unix::fs::PermissionsExt as _;

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let file = path.display();
    if guard.is_empty() {
        tracing::warn!(%file, "there is no token in the file of tokens: only `/health` answers");
    }
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & WRITABLE_BY_OTHERS != 0 {
        tracing::warn!(%file, "others may write the file of tokens, and give themselves what they like");
    }
    let unknown = |name: &String| !config.streams.iter().any(|stream| stream.name == *name);
    for stream in guard.streams().into_iter().filter(unknown) {
        tracing::warn!(%file, stream, "a token is for a stream that there isn't");
    }
}
