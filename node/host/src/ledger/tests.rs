//! What the writer does.
