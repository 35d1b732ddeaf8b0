//! What is shown once, in the answer to the form that made it: nowhere is it kept to be shown again.

use kamiflow_kernel::SecretText;

/// A secret for its owner's eyes.
#[derive(Debug)]
pub enum Once {
    /// The seed of a code generator, which waits for its first code.
    TotpSeed {
        /// For typing.
        text: SecretText,
        /// For a picture.
        url: SecretText,
    },
    /// Codes for the day the phone is gone.
    RecoveryCodes(Vec<SecretText>),
    /// The password of a sub-account, until its first log-in.
    TemporaryPassword {
        /// What is typed to log in.
        login: String,
        /// The password.
        password: SecretText,
    },
    /// A token of the API.
    ApiToken(SecretText),
    /// The seed of somebody who is not logged in yet: its first code goes on with the link.
    FirstSeed {
        /// For typing, and for a picture.
        seed: (SecretText, SecretText),
        /// Where the first code is sent.
        action: &'static str,
        /// The link's token.
        token: SecretText,
    },
    /// Codes for the day the phone is gone, of somebody who logs in next.
    FirstCodes {
        /// The codes.
        codes: Vec<SecretText>,
        /// Where to log in.
        next: &'static str,
    },
    /// A link that lets somebody join the team.
    InvitationLink(SecretText),
    /// A link by which the holder of a mall's main account authorizes.
    AuthorizationLink(SecretText),
}
