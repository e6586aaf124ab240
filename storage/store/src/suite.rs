//! What every engine must do, as one call: [`run`] over a [`Bed`] that can open it, crash it and open it again.
//!
//! A case panics with what it found. How much a crash case proves depends on the bed: it can only find lost what the
//! bed's `crash` really takes away, so a bed says in its doc what that is.

mod bed;
mod crash;
mod failure;
mod running;
#[cfg(test)]
mod tests;

pub use bed::Bed;

/// Runs every case, each over a new bed.
///
/// # Panics
/// When the engine breaks a promise.
pub fn run<B: Bed>(mut bed: impl FnMut() -> B) {
    running::bounds(&mut bed());
    running::order_inside_a_batch(&mut bed());
    running::callbacks(&mut bed());
    running::callback_may_append(&mut bed());
    running::writes(&mut bed());
    running::large_values(&mut bed());
    running::appenders(&mut bed());
    running::in_use(&mut bed());
    running::reopen(&mut bed());
    crash::acknowledged(&mut bed());
    crash::every_point(&mut bed);
    crash::writes_before_an_append(&mut bed());
    crash::unsynced_writes(&mut bed());
    crash::whole_batches(&mut bed());
    crash::appenders(&mut bed());
    crash::torn(&mut bed);
    failure::first_is_last(&mut bed);
    failure::whole_or_absent(&mut bed);
}
