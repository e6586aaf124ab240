//! The scripted driver.

use std::sync::Arc;
use symbi_sandbox::suite::{self, Subject, roles};

#[tokio::test(start_paused = true)]
async fn passes_the_suite() {
    let subject = Subject { driver: Arc::new(roles::scripted()), command: roles::named };
    assert!(suite::check(&subject).await.len() >= 20);
}
