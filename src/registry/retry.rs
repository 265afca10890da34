//! When to ask a refusing world again, for registries and for the engines that push to them. Holds no clock: the
//! number of tries, the longest wait and each try's own deadline bound the whole.

use std::future::Future;
use std::time::Duration;

/// What an error asks of whoever would try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The same question gets the same answer.
    Never,
    /// Later; nobody says when.
    BackOff,
    /// Not before this time has passed (`Retry-After`, RFC 9110 section 10.2.3).
    After(Duration),
}

/// One more try, told before the wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// What is tried.
    pub what: String,
    /// Why the last try failed.
    pub why: String,
    /// Which try comes next, from 2.
    pub attempt: u32,
    /// How long is waited before it.
    pub wait: Duration,
}

/// How often and how fast something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many tries there are in all, from 1.
    pub attempts: u32,
    /// The wait after the first try; it doubles after each.
    pub first_wait: Duration,
    /// No wait is longer. Who is asked to wait longer gives up at once, as asking earlier is an offence.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Five tries within about 8 s, unless the other side asks for more time. Arbitrary: long enough for a registry
    /// to restart, short enough for somebody to wait for.
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// Does `what` until it succeeds, an error asks for no other try, or the tries are used up; then the last error
    /// is returned. `again` says what an error asks for, `tell` hears of each further try before the wait.
    ///
    /// # Errors
    /// The last try's.
    pub async fn run<T, E, F>(
        &self,
        what: &str,
        again: impl Fn(&E) -> Again,
        tell: impl Fn(Retry),
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut tried = 1;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(wait) = self.wait_after(tried, again(&error), what) else { return Err(error) };
            tried += 1;
            tell(Retry { what: what.to_owned(), why: why(what, &error.to_string()), attempt: tried, wait });
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to wait after the failed try number `tried`, from 1; none where there is no other try.
    pub fn wait_after(&self, tried: u32, again: Again, what: &str) -> Option<Duration> {
        if tried >= self.attempts {
            return None;
        }
        match again {
            Again::Never => None,
            Again::BackOff => {
                let doubled =
                    self.first_wait.saturating_mul(2u32.saturating_pow(tried.saturating_sub(1))).min(self.longest_wait);
                Some(doubled - doubled.mul_f64(spread(what, tried) / 4.0))
            }
            Again::After(asked) if asked > self.longest_wait => None,
            Again::After(asked) => Some(asked.saturating_add(self.first_wait.mul_f64(spread(what, tried)))),
        }
    }
}

/// The text of an error, which need not say again what was tried.
fn why(what: &str, error: &str) -> String {
    let rest = error.strip_prefix(what).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(error).to_owned()
}

/// A number from 0 to 1 that differs between things and tries, so that those that failed together do not come back
/// together. FNV-1a, for want of a source of randomness below `cli`.
fn spread(what: &str, tried: u32) -> f64 {
    let bytes = what.bytes().chain(tried.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    f64::from((hash >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(10) };

    #[test]
    fn waits_double_less_a_quarter_at_most() {
        for (tried, doubled) in [(1, 1.0), (2, 2.0), (3, 4.0)] {
            let wait = POLICY.wait_after(tried, Again::BackOff, "pushing `a`").unwrap().as_secs_f64();
            assert!((doubled * 0.75..=doubled).contains(&wait), "{tried}: {wait}");
        }
        let patient = RetryPolicy { attempts: u32::MAX, ..POLICY };
        assert!(patient.wait_after(1_000_000, Again::BackOff, "").unwrap() <= POLICY.longest_wait);
    }

    #[test]
    fn there_is_an_end() {
        assert_eq!(POLICY.wait_after(4, Again::BackOff, ""), None);
        assert_eq!(POLICY.wait_after(4, Again::After(Duration::ZERO), ""), None);
        assert_eq!(POLICY.wait_after(1, Again::Never, ""), None);
    }

    #[test]
    fn nobody_comes_earlier_than_asked() {
        let asked = Duration::from_secs(10);
        assert!(POLICY.wait_after(1, Again::After(asked), "x").unwrap() >= asked);
        assert_eq!(POLICY.wait_after(1, Again::After(asked + Duration::from_nanos(1)), "x"), None);
    }

    #[test]
    fn what_failed_together_comes_back_apart_and_each_run_alike() {
        let wait = |what| POLICY.wait_after(1, Again::BackOff, what);
        assert_ne!(wait("pushing `a`"), wait("pushing `b`"));
        assert_eq!(wait("pushing `a`"), wait("pushing `a`"));
    }

    #[tokio::test]
    async fn each_further_try_is_told() {
        let policy = RetryPolicy { first_wait: Duration::ZERO, ..POLICY };
        let (told, tries) = (RefCell::new(Vec::new()), Cell::new(0));
        let outcome: Result<u32, String> = policy
            .run(
                "asking",
                |_| Again::BackOff,
                |retry| told.borrow_mut().push(retry),
                || {
                    tries.set(tries.get() + 1);
                    let tried = tries.get();
                    async move { if tried < 3 { Err(format!("asking: no {tried}")) } else { Ok(tried) } }
                },
            )
            .await;
        assert_eq!(outcome, Ok(3));
        let told: Vec<_> = told.into_inner().into_iter().map(|r| (r.what, r.why, r.attempt, r.wait)).collect();
        let retry = |why: &str, attempt| ("asking".to_owned(), why.to_owned(), attempt, Duration::ZERO);
        assert_eq!(told, [retry("no 1", 2), retry("no 2", 3)]);
    }
}
