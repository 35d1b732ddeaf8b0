//! The Pinduoduo Open Platform client.
