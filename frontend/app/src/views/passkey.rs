//! A question for the browser's authenticator, in the answer to the form that asked for one.

use kamiflow_kernel::SecretText;

/// A question, and the form that takes the answer.
#[derive(Debug)]
pub struct Passkey {
    /// What it is for.
    pub act: PasskeyAct,
    /// What the browser's `navigator.credentials` takes, as JSON.
    pub options: String,
    /// Names the question in the answer.
    pub token: SecretText,
    /// Where to go then.
    pub next: String,
}

/// What a passkey is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyAct {
    /// To be added to the account.
    Add,
    /// To finish a log-in.
    LogIn,
    /// For a fresh proof.
    Prove,
}
