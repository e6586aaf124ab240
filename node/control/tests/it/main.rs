//! The reconciler over a world in which every proposal is applied at once.

mod reconciler;
mod world;
