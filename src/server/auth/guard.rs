//! The tokens in force, and whether a request has one of them.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};

use super::denial::Denial;
use super::file::{self, TokenFileError};
use super::grant::Grant;
use super::rate::Bucket;
use super::token::{TokenDigest, TokenId};
use crate::metrics::{AccessMetrics, Limit, LimitMetrics, Metrics};
use crate::server::Reload;

/// Wrong tokens are told of in the log at most this often: whoever tries many must not fill it.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// What stands in front of a token in `Authorization`, in whatever case.
const SCHEME: &[u8] = b"bearer";

/// Knows the tokens of a file. Shared by all requests.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    per_second: Option<NonZeroU32>,
    in_force: RwLock<Arc<InForce>>,
    started: Instant,
    wrong: Mutex<Wrong>,
    metrics: AccessMetrics,
    limits: LimitMetrics,
}

/// All tokens of one reading of the file.
type InForce = HashMap<TokenId, Held>;

/// One token.
#[derive(Debug)]
struct Held {
    grant: Arc<Grant>,
    /// Stays with the token over readings: reading the file again isn't a way around the rate.
    sent: Arc<Bucket>,
}

/// Wrong tokens that came since they were last told of.
#[derive(Debug, Default)]
struct Wrong {
    told: Option<Instant>,
    requests: u64,
}

impl Guard {
    /// Reads the file of tokens at `path`. Each may send so many requests a second; any number if `None`.
    pub fn open(
        path: &Path,
        per_second: Option<NonZeroU32>,
        metrics: &Metrics,
    ) -> Result<Self, TokenFileError> {
        let guard = Self {
            path: path.to_owned(),
            per_second,
            in_force: RwLock::default(),
            started: Instant::now(),
            wrong: Mutex::default(),
            metrics: metrics.access.clone(),
            limits: metrics.limits.clone(),
        };
        guard.read_again()?;
        Ok(guard)
    }

    /// Reads the file again, and puts its tokens in force if it is right in every line; says how many.
    /// Otherwise nothing changes (A4).
    pub fn read_again(&self) -> Result<usize, TokenFileError> {
        let grants = file::read(&self.path)?;
        let before = self.in_force();
        let held = |grant: Grant| {
            let sent = before.get(&grant.id).map(|held| held.sent.clone()).unwrap_or_default();
            (grant.id, Held { grant: Arc::new(grant), sent })
        };
        let now: InForce = grants.into_iter().map(held).collect();
        let tokens = now.len();
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        self.metrics.tokens.set(tokens as i64);
        tracing::info!(tokens, file = %self.path.display(), "tokens are in force");
        Ok(tokens)
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.in_force().is_empty()
    }

    /// The names of all streams that some token is for; without those that are for all.
    pub fn streams(&self) -> BTreeSet<String> {
        let in_force = self.in_force();
        in_force.values().flat_map(|held| held.grant.streams.names()).map(str::to_owned).collect()
    }

    /// What the sender of a request with these headers may do.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Arc<Grant>, Denial> {
        let token = token(headers)?;
        let id = TokenId::of_token(token).ok_or(Denial::Unknown)?;
        let in_force = self.in_force();
        let known = in_force.get(&id);
        // A token whose id nobody knows takes as long as one with a wrong secret.
        let expected = known.map_or(&TokenDigest::OF_NOBODY, |held| &held.grant.sha256);
        let is_right = TokenDigest::of(token).is(expected);
        let held = known.filter(|_| is_right).ok_or(Denial::Unknown)?;
        if let Some(per_second) = self.per_second {
            let sent = held.sent.take(self.started.elapsed(), per_second);
            let per_second = per_second.get();
            sent.map_err(|again_in| Denial::TooMany { per_second, again_in })?;
        }
        Ok(held.grant.clone())
    }

    /// What the token of `grant` grants now; `None` if it is revoked.
    pub(super) fn now(&self, grant: &Grant) -> Option<Arc<Grant>> {
        let in_force = self.in_force();
        let held = in_force.get(&grant.id).filter(|held| held.grant.sha256.is(&grant.sha256));
        held.map(|held| held.grant.clone())
    }

    /// Counts a request that isn't let through, and tells of those that look like somebody trying tokens,
    /// with the address that the last of them came `from`, if it has one.
    pub(super) fn note(&self, denial: &Denial, from: Option<SocketAddr>) {
        match denial.counted_as() {
            Some(why) => self.metrics.denied(why),
            None => self.limits.hit(Limit::Rate),
        }
        if denial.is_suspicious()
            && let Some(requests) = self.wrong().count(Instant::now())
        {
            let last_from = from.map(tracing::field::display);
            tracing::warn!(
                requests,
                last_from,
                "requests came with tokens that this daemon doesn't know"
            );
        }
    }

    fn in_force(&self) -> Arc<InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wrong(&self) -> std::sync::MutexGuard<'_, Wrong> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reload for Guard {
    fn name(&self) -> &'static str {
        "the file of tokens"
    }

    fn reload(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.read_again().map(drop)?)
    }
}

impl Wrong {
    /// One more. How many there were, if that is to be told now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.requests += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.requests))
    }
}

/// The token in `Authorization: Bearer TOKEN`.
fn token(headers: &HeaderMap) -> Result<&[u8], Denial> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::Missing)?.as_bytes();
    if values.next().is_some() {
        return Err(Denial::Malformed("there is more than one `Authorization`: send one"));
    }
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = (&value[..end], value[end..].trim_ascii());
    if scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty() {
        Ok(token)
    } else {
        Err(Denial::Malformed("`Authorization` must be `Bearer`, a space and a token"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::super::edit::{add, revoke};
    use super::super::streams::Streams;
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    struct Rig {
        dir: tempfile::TempDir,
        guard: Guard,
        token: String,
        id: TokenId,
    }

    impl Rig {
        fn new(per_second: Option<u32>) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("tokens");
            let (grant, token) = add(&path, None, "ingest".parse().unwrap(), Streams::All).unwrap();
            let metrics = Metrics::new().unwrap();
            let guard = Guard::open(&path, per_second.and_then(NonZeroU32::new), &metrics).unwrap();
            Self { dir, guard, token: token.text().to_owned(), id: grant.id }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("tokens")
        }

        fn admit(&self, token: &str) -> Result<Arc<Grant>, Denial> {
            self.guard.admit(&headers(&[&format!("Bearer {token}")]))
        }
    }

    #[test]
    fn only_the_whole_token_is_one() {
        let rig = Rig::new(None);
        let token = &rig.token;
        for right in [format!("Bearer {token}"), format!("bearer  {token} ")] {
            assert_eq!(rig.guard.admit(&headers(&[&right])).unwrap().id, rig.id, "{right}");
        }
        let last = if token.ends_with('0') { '1' } else { '0' };
        let other_secret = format!("{}{last}", &token[..token.len() - 1]);
        let other_id = token.replacen(&rig.id.to_string(), "000000000000", 1);
        for wrong in [&other_secret, &other_id, &token[1..], &token.to_uppercase(), "any"] {
            assert_eq!(rig.admit(wrong).unwrap_err(), Denial::Unknown, "{wrong}");
        }
        assert_eq!(rig.guard.admit(&headers(&[])).unwrap_err(), Denial::Missing);
        let right = format!("Bearer {token}");
        for wrong in [
            vec!["Bearer"],
            vec!["Bearer "],
            vec![""],
            vec![token],
            vec!["Basic dXNlcjpzZWNyZXQ="],
            vec![&right, &right],
        ] {
            let denial = rig.guard.admit(&headers(&wrong)).unwrap_err();
            assert!(matches!(denial, Denial::Malformed(_)), "{wrong:?}: {denial:?}");
        }
    }

    #[test]
    fn no_header_that_somebody_makes_up_is_let_through() {
        let rig = Rig::new(None);
        proptest!(|(bytes: Vec<u8>, with_scheme: bool)| {
            let scheme: &[u8] = if with_scheme { b"Bearer " } else { b"" };
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&[scheme, &bytes].concat()) {
                headers.insert(header::AUTHORIZATION, value);
            }
            prop_assert!(rig.guard.admit(&headers).is_err());
        });
    }

    #[test]
    fn reading_again_takes_all_or_nothing() {
        let rig = Rig::new(None);
        let (_, second) = add(&rig.path(), None, "read".parse().unwrap(), Streams::All).unwrap();
        assert!(rig.admit(second.text()).is_err(), "not before it is told");
        assert_eq!(rig.guard.read_again().unwrap(), 2);
        assert!(rig.admit(second.text()).is_ok());

        revoke(&rig.path(), &rig.id.to_string()).unwrap();
        let right = fs::read_to_string(rig.path()).unwrap();
        fs::write(rig.path(), format!("{right}half a li")).unwrap();
        assert!(rig.guard.read_again().is_err());
        assert!(rig.admit(&rig.token).is_ok() && rig.admit(second.text()).is_ok());
        fs::remove_file(rig.path()).unwrap();
        assert!(rig.guard.read_again().is_err());
        assert!(rig.admit(&rig.token).is_ok());

        fs::write(rig.path(), right).unwrap();
        assert_eq!(rig.guard.read_again().unwrap(), 1);
        assert_eq!(rig.admit(&rig.token).unwrap_err(), Denial::Unknown);
        assert!(rig.admit(second.text()).is_ok());
    }

    #[test]
    fn the_rate_is_the_tokens_own_and_outlives_a_reading() {
        let rig = Rig::new(Some(3));
        let (_, other) = add(&rig.path(), None, "read".parse().unwrap(), Streams::All).unwrap();
        let taken = (0..10).filter(|_| rig.admit(&rig.token).is_ok()).count();
        assert!((3..=5).contains(&taken), "{taken}");
        rig.guard.read_again().unwrap();
        let denial = rig.admit(&rig.token).unwrap_err();
        assert!(matches!(denial, Denial::TooMany { per_second: 3, .. }), "{denial:?}");
        assert!(rig.admit(other.text()).is_ok());
    }

    #[test]
    fn wrong_tokens_are_told_of_seldom_and_none_is_left_out() {
        let mut wrong = Wrong::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let told: Vec<_> = (0..35).filter_map(|second| wrong.count(at(second))).collect();
        assert_eq!(told, [1, 10, 10, 10]);
    }
}
