//! A Pinduoduo on this machine.
