//! Test application and actors.
