//! What is made of sightings.
