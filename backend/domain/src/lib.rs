//! Use cases, state machines and ports.
