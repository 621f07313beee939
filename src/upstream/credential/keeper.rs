//! One token, kept: got once for all who want it, got anew ahead of its end, and not asked for too often where that fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use tokio::{sync::Mutex, time::sleep};

use crate::{clock, redact::Redacted};

use super::fault::CredentialFault;

/// Of its life, what a token is used for before it is replaced. The rest is for calls on their way and clocks that differ.
const USED_SHARE: (u32, u32) = (4, 5);
/// No token is used when it ends so soon: a call takes time to arrive.
const MARGIN: Duration = Duration::from_secs(5);
/// What a token without `expires_in` is kept for (RFC 6749 section 5.1 leaves it open).
pub(super) const UNKNOWN_LIFE: Duration = Duration::from_secs(300);
/// The pause before the second and last attempt within one call.
const PAUSE: Duration = Duration::from_millis(200);
/// Pauses after failures, when calls are refused without asking: doubled from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A token and how long it is used.
#[derive(Debug)]
pub(super) struct Token {
    value: Redacted<String>,
    /// From when it is replaced.
    due: Instant,
    /// From when it is not used.
    end: Instant,
}

impl Token {
    /// A token that lives for so long from now.
    pub(super) fn new(value: Redacted<String>, life: Duration) -> Self {
        let now = clock::now();
        let end = now + life.saturating_sub(MARGIN).max(life / 2);
        Self { value, due: now + life * USED_SHARE.0 / USED_SHARE.1, end }
    }

    /// Whether it may be used now.
    pub(super) fn is_usable(&self) -> bool {
        clock::now() < self.end
    }

    /// As a header, marked so that no dump shows it. `None` when it is no header text.
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        bearer(&self.value)
    }

    /// As it is.
    pub(super) const fn value(&self) -> &Redacted<String> {
        &self.value
    }

    /// The same, by itself.
    pub(super) fn plain(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.value.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A token as `Authorization: Bearer`, marked so that no dump shows it.
pub(super) fn bearer(token: &Redacted<String>) -> Option<HeaderValue> {
    let text = Redacted::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The last failure, and until when it stands for the next ones.
#[derive(Debug)]
struct Failure {
    fault: CredentialFault,
    count: u32,
    until: Instant,
}

/// One token.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    current: ArcSwapOption<Token>,
    /// Held while one is got.
    getting: Mutex<Option<Failure>>,
}

impl Keeper {
    /// One that has a token already.
    pub(super) fn with(token: Token) -> Self {
        Self { current: ArcSwapOption::from_pointee(token), getting: Mutex::default() }
    }

    /// Another one, which somebody else got.
    pub(super) fn put(&self, token: Token) {
        self.current.store(Some(Arc::new(token)));
    }

    /// The token if it may be used.
    fn usable(&self, refused: Option<&Arc<Token>>) -> Option<Arc<Token>> {
        let token = self.current.load_full()?;
        let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &token));
        (!is_refused && clock::now() < token.end).then_some(token)
    }

    /// The token; got with `get` where there is none to be used, or the one there is was `refused`. Where it ends soon it is got
    /// meanwhile by one of the callers, and the others use what there is.
    ///
    /// # Errors
    /// The fault of getting it, which also stands for those who ask in the seconds after.
    ///
    /// # Cancel safety
    /// Dropped, another caller gets it.
    pub(super) async fn token<F>(
        &self,
        refused: Option<&Arc<Token>>,
        get: impl Fn() -> F,
    ) -> Result<Arc<Token>, CredentialFault>
    where
        F: Future<Output = Result<Token, CredentialFault>>,
    {
        let usable = self.usable(refused);
        let mut failure = match usable {
            Some(token) if clock::now() < token.due => return Ok(token),
            Some(token) => match self.getting.try_lock() {
                Ok(failure) => failure,
                Err(_) => return Ok(token),
            },
            None => self.getting.lock().await,
        };
        // Somebody else may have been faster.
        let usable = self.usable(refused);
        if let Some(token) = usable.as_ref().filter(|token| clock::now() < token.due) {
            return Ok(token.clone());
        }
        if let Some(failure) = failure.as_ref().filter(|failure| clock::now() < failure.until) {
            return usable.ok_or_else(|| failure.fault.clone());
        }
        match twice(get).await {
            Ok(token) => {
                *failure = None;
                let token = Arc::new(token);
                self.current.store(Some(token.clone()));
                Ok(token)
            }
            Err(fault) => {
                let count = failure.as_ref().map_or(0, |failure| failure.count);
                let pause = BACKOFF.0.saturating_mul(1 << count.min(10)).min(BACKOFF.1);
                *failure = Some(Failure { fault: fault.clone(), count: count + 1, until: clock::now() + pause });
                usable.ok_or(fault)
            }
        }
    }
}

/// A passing failure is tried once more.
async fn twice<F: Future<Output = Result<Token, CredentialFault>>>(
    get: impl Fn() -> F,
) -> Result<Token, CredentialFault> {
    match get().await {
        Err(fault) if fault.may_pass() => {
            sleep(PAUSE).await;
            get().await
        }
        got => got,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn token(name: &str, life: Duration) -> Token {
        Token::new(Redacted::from(name), life)
    }

    #[tokio::test]
    async fn many_who_want_it_at_once_get_it_once() {
        let (keeper, count) = (Keeper::default(), AtomicUsize::new(0));
        let get = || async {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(token("t", LONG))
        };
        let all = (0..8).map(|_| keeper.token(None, get));
        for got in futures(all).await {
            assert_eq!(got.unwrap().value.expose(), "t");
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_was_refused_is_replaced_once_and_what_ended_always() {
        let keeper = Keeper::default();
        let first = keeper.token(None, || ready(Ok(token("a", LONG)))).await.unwrap();
        let second = keeper.token(Some(&first), || ready(Ok(token("b", LONG)))).await.unwrap();
        assert_eq!(second.value.expose(), "b");
        // Another call that the first was refused to finds the second.
        let third = keeper.token(Some(&first), || ready(Ok(token("c", LONG)))).await.unwrap();
        assert!(Arc::ptr_eq(&second, &third));
        let ended = Keeper::default();
        ended.token(None, || ready(Ok(token("a", Duration::ZERO)))).await.unwrap();
        let next = ended.token(None, || ready(Ok(token("b", LONG)))).await.unwrap();
        assert_eq!(next.value.expose(), "b");
    }

    #[tokio::test]
    async fn what_ends_soon_is_replaced_ahead_by_one_caller_while_the_others_use_it() {
        let keeper = Keeper::default();
        let now = clock::now();
        let old = Token { value: Redacted::from("old"), due: now, end: now + LONG };
        keeper.token(None, || ready(Ok(Token { value: old.value.clone(), due: old.due, end: old.end }))).await.unwrap();
        let replaces = keeper.token(None, || async {
            let meanwhile = keeper.token(None, || async { unreachable!() }).await.unwrap();
            assert_eq!(meanwhile.value.expose(), "old");
            Ok(token("new", LONG))
        });
        assert_eq!(replaces.await.unwrap().value.expose(), "new");
    }

    #[tokio::test]
    async fn a_failure_to_replace_ahead_leaves_what_there_is() {
        let keeper = Keeper::default();
        let now = clock::now();
        keeper
            .token(None, || ready(Ok(Token { value: Redacted::from("old"), due: now, end: now + LONG })))
            .await
            .unwrap();
        let fail = || ready(Err(CredentialFault::Answer("access_token")));
        assert_eq!(keeper.token(None, fail).await.unwrap().value.expose(), "old");
    }

    #[tokio::test]
    async fn a_failure_is_tried_twice_and_then_stands_for_a_while() {
        let (keeper, count) = (Keeper::default(), AtomicUsize::new(0));
        let fail = || {
            count.fetch_add(1, Ordering::SeqCst);
            ready(Err(CredentialFault::Refused(http::StatusCode::BAD_GATEWAY, "".into())))
        };
        assert!(keeper.token(None, fail).await.is_err());
        assert!(keeper.token(None, fail).await.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let refuse = || ready(Err(CredentialFault::Refused(http::StatusCode::BAD_REQUEST, "invalid_client".into())));
        assert!(Keeper::default().token(None, refuse).await.is_err());
    }

    async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
        let mut all: Vec<_> = all.map(Box::pin).collect();
        let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
        std::future::poll_fn(move |context| {
            for (future, slot) in all.iter_mut().zip(&mut done) {
                if slot.is_none()
                    && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
                {
                    *slot = Some(value);
                }
            }
            if done.iter().all(Option::is_some) {
                return std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect());
            }
            std::task::Poll::Pending
        })
        .await
    }
}
