//! `futures-timer` over tokio's clock.
//!
//! Every libp2p timer is a [`Delay`] of the crate of this name. The root manifest patches it to this one, so that
//! tokio's clock drives them: under simulation they follow simulated time, and in production no helper thread runs.
//! Not here: anything of the original's interface that libp2p does not use.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Proof that this crate, and not the original, is linked: `const _: () = futures_timer::SHIM;`.
pub const SHIM: () = ();

/// A future that is ready once a duration has passed on tokio's clock.
///
/// The timer is made at the first poll, because libp2p makes delays outside a runtime too.
pub struct Delay {
    /// When the delay ends.
    at: Instant,
    /// The registered timer, from the first poll on.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// A delay that ends `duration` from now.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self { at: Instant::now() + duration, sleep: None }
    }

    /// Ends `duration` from now instead, whether or not the delay was over.
    pub fn reset(&mut self, duration: Duration) {
        self.at = Instant::now() + duration;
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.at);
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let at = this.at;
        this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at))).as_mut().poll(context)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Delay").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_delay_follows_tokios_clock() {
        let start = Instant::now();
        Delay::new(Duration::from_secs(3600)).await;
        assert_eq!(start.elapsed().as_secs(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_can_be_reset_before_and_after_it_ends() {
        let start = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(10));
        delay.reset(Duration::from_secs(20));
        (&mut delay).await;
        assert_eq!(start.elapsed().as_secs(), 20);
        delay.reset(Duration::from_secs(5));
        (&mut delay).await;
        assert_eq!(start.elapsed().as_secs(), 25);
    }

    #[test]
    fn a_delay_can_be_made_outside_a_runtime() {
        assert!(format!("{:?}", Delay::new(Duration::from_secs(1))).starts_with("Delay"));
    }
}
