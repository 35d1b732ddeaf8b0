//! Values and contracts shared by every crate: ids, money, order numbers, states.
