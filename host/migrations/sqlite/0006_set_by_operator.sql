-- Members that an operator set of a client that registered itself: a list in JSON. They stay when the client changes itself.
ALTER TABLE client ADD COLUMN set_by_operator TEXT;
