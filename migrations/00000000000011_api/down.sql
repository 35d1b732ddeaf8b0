DROP FUNCTION system_prune_api_requests(timestamptz, integer, boolean);
DROP TABLE api_requests;
DROP FUNCTION merchant_void_tokens();
DROP FUNCTION system_find_api_token(bytea, timestamptz);
DROP TABLE api_tokens;
DROP FUNCTION api_tokens_guard();
ALTER TABLE users DROP COLUMN tokens_void_before;
