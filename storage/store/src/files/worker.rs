//! Work on files that must not hold up whoever asks for it.

use super::Files;
use crate::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Something to be done with files, such as an append and its sync. It tells whoever waits by itself.
pub type Job = Box<dyn FnOnce(&dyn Files) + Send>;

/// Carries out jobs one after the other, in their order.
///
/// In a node they run on a thread of their own, so that none holds up a thread of the runtime; in a simulation they run where
/// they are submitted, because there is no disk to wait for, and a thread would make runs differ.
///
/// Dropping it carries out what waits.
pub struct Worker {
    /// How jobs come to run.
    how: How,
}

/// How jobs come to run.
enum How {
    /// In the call that submits them.
    Inline(Arc<dyn Files>),
    /// On a thread.
    Thread {
        /// Jobs on their way; none once it is being dropped.
        queue: Option<SyncSender<Job>>,
        /// The thread.
        thread: Option<JoinHandle<()>>,
    },
}

impl Worker {
    /// One with a thread, for which at most `waiting` jobs wait.
    ///
    /// # Errors
    /// [`Error::Io`] when there can be no further thread.
    pub fn spawn(files: Arc<dyn Files>, waiting: usize) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(waiting);
        let thread = std::thread::Builder::new().name("files".to_owned()).spawn(move || run(&*files, &jobs));
        let thread = thread.map_err(|cause| Error::Io(cause.to_string()))?;
        Ok(Self { how: How::Thread { queue: Some(queue), thread: Some(thread) } })
    }

    /// One that carries out each job where it is submitted.
    #[must_use]
    pub fn inline(files: Arc<dyn Files>) -> Self {
        Self { how: How::Inline(files) }
    }

    /// Has a job done; returns at once where it has a thread.
    ///
    /// # Errors
    /// The job, when as many wait as may, or an earlier one has panicked.
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        match &self.how {
            How::Inline(files) => job(&**files),
            How::Thread { queue, .. } => {
                let queue = queue.as_ref().expect("the queue is there until the drop");
                queue.try_send(job).map_err(|refused| match refused {
                    TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
                })?;
            }
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let How::Thread { queue, thread } = &mut self.how else { return };
        // Without a sender the thread finishes what waits and ends.
        drop(queue.take());
        let Some(thread) = thread.take() else { return };
        // A job may hold the last handle, and its thread cannot wait for itself. A panic of a job has been told by the hook.
        if thread.thread().id() != std::thread::current().id() {
            drop(thread.join());
        }
    }
}

fn run(files: &dyn Files, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job(files);
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Worker};
    use crate::files::{Files, Simulated};
    use std::sync::{Arc, mpsc};

    fn files() -> Arc<dyn Files> {
        let files = Simulated::new().open().expect("open");
        files.create("a").expect("create");
        Arc::new(files)
    }

    fn append(number: u8) -> Job {
        Box::new(move |files| files.append("a", &[number]).map(drop).expect("append"))
    }

    #[test]
    fn jobs_run_in_their_order_and_all_of_them_before_it_is_gone() {
        for inline in [false, true] {
            let files = files();
            let worker = if inline {
                Worker::inline(files.clone())
            } else {
                Worker::spawn(files.clone(), 50).expect("a thread")
            };
            for number in 0..50 {
                assert!(worker.submit(append(number)).is_ok());
            }
            drop(worker);
            assert_eq!(files.read("a", 0, 99), Ok((0..50).collect()));
        }
    }

    #[test]
    fn who_comes_when_too_many_wait_gets_the_job_back() {
        let worker = Worker::spawn(files(), 1).expect("a thread");
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let held: Job = Box::new(move |_| {
            begun.send(()).expect("the test waits");
            released.recv().expect("released");
        });
        assert!(worker.submit(held).is_ok());
        begins.recv().expect("it begins");
        assert!(worker.submit(append(1)).is_ok(), "one waits");
        assert!(worker.submit(append(2)).is_err(), "the second is given back");
        release.send(()).expect("held");
    }
}
