SET LOCAL app.migration = 'on';
DELETE FROM one_time_tokens WHERE purpose = 'ask_passkey';
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_purpose,
    ADD CONSTRAINT one_time_tokens_purpose CHECK (purpose IN ('reset_password', 'change_email', 'second_step',
        'enroll_passkey', 'sudo_passkey', 'staff_enroll', 'staff_step', 'recover_account'));
