-- What plugins added to the tokens that were made together, where they did: JSON, see protocol/added_claims.rs.
ALTER TABLE access_token ADD COLUMN claims TEXT;
