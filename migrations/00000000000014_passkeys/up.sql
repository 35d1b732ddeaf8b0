-- A passkey is asked in the second step of a log-in as well as for a fresh proof: one purpose, bound by its payload.
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_purpose,
    ADD CONSTRAINT one_time_tokens_purpose CHECK (purpose IN ('reset_password', 'change_email', 'second_step',
        'enroll_passkey', 'ask_passkey', 'staff_enroll', 'staff_step', 'recover_account'));
