//! What every implementation of [`Files`](super::Files) must do, as one call: [`run`] over a [`Bed`] that can open a folder,
//! crash it and open it again.
//!
//! A case panics with what it found. Where a bed cannot crash or fail, the cases that need it are skipped, and [`run`] says
//! which and why.

mod bed;
mod crash;
mod failure;
mod running;
#[cfg(test)]
mod tests;

pub use bed::{Bed, Crash, Skipped};

/// Runs every case, each over new folders; answers which were skipped.
///
/// # Panics
/// When the implementation breaks a promise.
pub fn run<B: Bed>(mut bed: impl FnMut() -> B) -> Vec<Skipped> {
    running::append_and_read(&mut bed());
    running::names(&mut bed());
    running::truncate(&mut bed());
    running::missing(&mut bed());
    running::reopen(&mut bed());
    running::appenders(&mut bed());
    type Case<B> = fn(&mut dyn FnMut() -> B) -> Result<(), &'static str>;
    let cases: [(&'static str, Case<B>); 8] = [
        ("crash: what was synced is there", crash::synced_stays),
        ("crash: an append is cut off at any byte", crash::torn),
        ("crash: names come and go with the folder's sync", crash::names),
        ("crash: a file put in place whole is the old or the new one", crash::replaced),
        ("crash: a cut is undone or done", crash::truncated),
        ("failure: an append without room changes nothing", failure::full),
        ("failure: a file whose sync failed takes nothing more", failure::sync),
        ("failure: a folder whose sync failed takes no more names", failure::sync_folder),
    ];
    let skipped = |(case, run): (&'static str, Case<B>)| {
        let why = run(&mut bed).err()?;
        println!("skipped: {case}: {why}");
        Some(Skipped { case, why })
    };
    cases.into_iter().filter_map(skipped).collect()
}
