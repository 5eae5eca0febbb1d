//! A run's record to files for people.
