DROP TABLE exceptions;
DROP TABLE redemptions;
DROP FUNCTION redemptions_guard();
DROP TABLE redemption_rules;
